"""A fresh sandbox for a rehearsal or a program of the prose."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

from sandboxes.backends.base import (
    Backend,
    BackendError,
    KafkaEndpoint,
    Observation,
    Phase,
    Spec,
    Workspace,
)

START_S = 60.0


class NoRoom(RuntimeError):
    """A sandbox did not come up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """The sandbox a rehearsal happens in."""

    backend: Backend
    sandbox_id: str
    endpoint: KafkaEndpoint

    @property
    def workspace(self) -> Workspace:
        return self.backend.workspace(self.sandbox_id)


@contextmanager
def room(backend: Backend, profile: str) -> Iterator[Room]:
    """A fresh sandbox, removed afterwards."""
    sandbox_id = _begin(backend, profile)
    try:
        endpoint = _until_up(backend, sandbox_id, profile)
        yield Room(backend=backend, sandbox_id=sandbox_id, endpoint=endpoint)
    finally:
        remove(backend, sandbox_id)


def _begin(backend: Backend, profile: str) -> str:
    """Begin a new sandbox; its id. `_until_up` waits for it."""
    sandbox_id = uuid4().hex
    backend.ensure(Spec(sandbox_id=sandbox_id, profile=profile))
    return sandbox_id


def _until_up(backend: Backend, sandbox_id: str, profile: str) -> KafkaEndpoint:
    """The endpoint of a sandbox that was begun; NoRoom when it does not come up."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        seen: Observation = backend.ensure(Spec(sandbox_id=sandbox_id, profile=profile))
        if seen.phase is Phase.RUNNING and seen.endpoint is not None:
            return seen.endpoint
        if seen.phase is Phase.FAILED:
            raise NoRoom(f"the sandbox did not start: {seen.detail} {seen.cause}")
        time.sleep(0.1)
    raise NoRoom("the sandbox did not start in time")


def remove(backend: Backend, sandbox_id: str) -> None:
    """Destroy a sandbox and wait until it is gone."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        try:
            if backend.destroy(sandbox_id).phase is Phase.ABSENT:
                return
        except BackendError:
            pass
        time.sleep(0.1)
