"""The local backend: sandboxes on this machine, run by the host daemon; this is its caller's side."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from sandboxes.backends.base import (
    FILE_BYTES,
    BackendError,
    Fault,
    FileInfo,
    FileText,
    KafkaEndpoint,
    Observation,
    ProgramEvent,
    ProgramRun,
    Spec,
    Tier,
    Usage,
)
from sandboxes.backends.local import handshake, wire
from sandboxes.backends.local.client import HostClient

_AGAIN_S = 0.25


class LocalBackend:
    """Implements base.Backend. socket: where the daemon listens; this installation's own by default."""

    def __init__(self, socket: Path | None = None) -> None:
        self._client = HostClient(socket or _own_socket())

    def ensure(self, spec: Spec) -> Observation:
        return wire.observation(self._client.call("ensure", **asdict(spec)))

    def observe(self, sandbox_id: str) -> Observation:
        return self._about("observe", sandbox_id)

    def destroy(self, sandbox_id: str) -> Observation:
        return self._about("destroy", sandbox_id)

    def freeze(self, sandbox_id: str) -> Observation:
        return self._about("freeze", sandbox_id)

    def thaw(self, sandbox_id: str) -> Observation:
        return self._about("thaw", sandbox_id)

    def suspend(self, sandbox_id: str) -> Observation:
        return self._about("suspend", sandbox_id)

    def resume(self, sandbox_id: str) -> Observation:
        return self._about("resume", sandbox_id)

    def inventory(self) -> tuple[str, ...]:
        return tuple(self._client.call("inventory"))

    def look(self) -> Mapping[str, Observation]:
        return {seen["sandbox_id"]: wire.observation(seen) for seen in self._client.call("look")}

    def usage(self) -> Mapping[str, Usage]:
        return {name: Usage(**used) for name, used in self._client.call("usage").items()}

    def room(self) -> int:
        return int(self._client.call("room"))

    def answers(self, sandbox_id: str) -> bool:
        endpoint = self.observe(sandbox_id).endpoint
        return endpoint is not None and handshake.answers(endpoint)

    def prove(self, sandbox_id: str) -> None:
        from sandboxes import proof

        endpoint = self._endpoint(sandbox_id)
        proof.prove(endpoint, partial(handshake.first_records, endpoint))

    def in_use(self, sandbox_id: str) -> str:
        from sandboxes import proof

        return proof.in_use(self._endpoint(sandbox_id))

    def _endpoint(self, sandbox_id: str) -> KafkaEndpoint:
        seen = self.observe(sandbox_id)
        if seen.endpoint is None:
            raise BackendError(seen.detail or "Your broker does not answer at the moment.", retryable=True)
        return seen.endpoint

    def inject(self, sandbox_id: str, fault: Fault) -> None:
        self._client.call("inject", sandbox_id=sandbox_id, fault=asdict(fault))

    def undo(self, sandbox_id: str, fault: Fault) -> None:
        self._client.call("undo", sandbox_id=sandbox_id, fault=asdict(fault))

    def workspace(self, sandbox_id: str) -> LocalWorkspace:
        return LocalWorkspace(self._client, sandbox_id)

    def tier(self) -> Tier:
        return Tier(self._client.call("tier"))

    def _about(self, op: str, sandbox_id: str) -> Observation:
        return wire.observation(self._client.call(op, sandbox_id=sandbox_id))


class LocalWorkspace:
    """Implements base.Workspace."""

    def __init__(self, client: HostClient, sandbox_id: str) -> None:
        self._client, self._sandbox_id = client, sandbox_id

    def list_files(self) -> tuple[FileInfo, ...]:
        return tuple(FileInfo(**info) for info in self._call("list_files"))

    def read_file(self, path: str, max_bytes: int = FILE_BYTES) -> FileText:
        return FileText(**self._call("read_file", path=path, max_bytes=max_bytes))

    def write_file(self, path: str, text: str, *, base_version: str | None = None) -> FileInfo:
        return FileInfo(**self._call("write_file", path=path, text=text, base_version=base_version))

    def delete_file(self, path: str) -> None:
        self._call("delete_file", path=path)

    def start_program(self, *, path: str, args: tuple[str, ...] = (), label: str = "") -> ProgramRun:
        return wire.program_run(self._call("start_program", path=path, args=args, label=label))

    def stop_program(self, program_id: str) -> None:
        self._call("stop_program", program_id=program_id)

    def kill_program(self, program_id: str) -> None:
        self._call("kill_program", program_id=program_id)

    def programs(self) -> tuple[ProgramRun, ...]:
        return tuple(wire.program_run(run) for run in self._call("programs"))

    async def follow(self, *, after: int = 0) -> AsyncIterator[ProgramEvent]:
        """Goes on over a restart of the daemon; ends with BackendError when the sandbox is gone."""
        while True:
            try:
                async for said in self._client.stream("follow", sandbox_id=self._sandbox_id, after=after):
                    event = wire.program_event(said)
                    after = event.seq
                    yield event
            except BackendError as error:
                if not error.retryable:
                    raise
            await asyncio.sleep(_AGAIN_S)

    def _call(self, op: str, **arguments: object) -> Any:
        return self._client.call(op, sandbox_id=self._sandbox_id, **arguments)


def _own_socket() -> Path:
    from config import paths

    return paths.HOST_SOCKET
