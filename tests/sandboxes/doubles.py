"""Backends named for how they fail, and one that kills the process that calls it.

Each is given to the site by its dotted path, like any backend; all share one memory, so a test may look at
what is "really" there.
"""

import os
from collections.abc import Callable
from typing import Any

from sandboxes.backends.base import BackendError, Fault, Observation, Phase, Spec
from sandboxes.backends.memory import MemoryBackend, ProcessStore, Store, _default_store

HERE = __name__
shared: Store = ProcessStore()


def forget_everything() -> None:
    """Begin a test with nothing there."""
    with shared.changing() as entries:
        entries.clear()


def InstantBackend() -> MemoryBackend:  # noqa: N802  stands where a class would
    """Ready as soon as it is asked."""
    return MemoryBackend(pace_s={}, store=shared)


def SlowBackend() -> MemoryBackend:  # noqa: N802
    """Takes a few tenths of a second for each stage."""
    return MemoryBackend(pace_s={"namespaces": 0.1, "kafka": 0.2, "probe": 0.1}, store=shared)


def NeverBackend() -> MemoryBackend:  # noqa: N802
    """Starts and starts and is never ready."""
    return MemoryBackend(pace_s={"kafka": 1e9}, store=shared)


class LingeringBackend(MemoryBackend):
    """Its sandboxes do not go away however often they are destroyed."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def destroy(self, sandbox_id: str) -> Observation:
        seen = self.observe(sandbox_id)
        if seen.phase is Phase.ABSENT:
            return seen
        return Observation(sandbox_id=sandbox_id, phase=Phase.STOPPED, detail="A volume is still attached.")


class CrashLoopBackend(MemoryBackend):
    """Its broker exits whenever it is started."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def ensure(self, spec: Spec) -> Observation:
        super().ensure(spec)
        return self._exited(spec.sandbox_id)

    def observe(self, sandbox_id: str) -> Observation:
        seen = super().observe(sandbox_id)
        return seen if seen.phase is Phase.ABSENT else self._exited(sandbox_id)

    def _exited(self, sandbox_id: str) -> Observation:
        detail = "The broker ended while it was starting."
        return Observation(sandbox_id=sandbox_id, phase=Phase.FAILED, cause="broker_exited", detail=detail)


class UnreachableBackend:
    """Every call fails, but may work later."""

    retryable = True

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def call(*args: object, **kwargs: object) -> None:
            raise BackendError(
                "The sandbox host does not answer. It is being restarted.", retryable=self.retryable
            )

        return call


class BrokenBackend(UnreachableBackend):
    """Every call fails, and always will."""

    retryable = False


class DeafToFaultsBackend(MemoryBackend):
    """Cannot take a fault out until `mended` is set."""

    mended = False

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def undo(self, sandbox_id: str, fault: Fault) -> None:
        if not type(self).mended:
            raise BackendError("The sandbox host does not answer.", retryable=True)
        super().undo(sandbox_id, fault)


class CrashingBackend:
    """Kills its process (as kill -9 does: no cleanup) before or after the n-th call of the process.

    CRASH_AT: "<n>:before" or "<n>:after", counted from 1. CRASH_LOG: a file that gets a line per call.
    The sandboxes are in MILLRACE_MEMORY_STORE, which the next process reads.
    """

    def __init__(self) -> None:
        self._inner = _real_backend()
        self._calls = 0
        number, _, self._when = os.environ.get("CRASH_AT", "0:").partition(":")
        self._at = int(number)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if name in {"workspace", "tier"}:
            return call

        def watched(*args: object, **kwargs: object) -> Any:
            self._calls += 1
            self._log(name)
            if self._calls == self._at and self._when == "before":
                os._exit(137)
            answer = call(*args, **kwargs)
            if self._calls == self._at and self._when == "after":
                os._exit(137)
            return answer

        return watched

    def _log(self, name: str) -> None:
        if path := os.environ.get("CRASH_LOG"):
            with open(path, "a") as log:  # noqa: PTH123
                log.write(f"{name}\n")


def _real_backend() -> Any:
    if os.environ.get("CRASH_INNER", "memory") == "local":
        from sandboxes.backends.local.backend import LocalBackend

        return LocalBackend()
    pace_s = {"namespaces": 0.02, "kafka": 0.05, "probe": 0.02}
    return MemoryBackend(pace_s=pace_s, store=_default_store())
