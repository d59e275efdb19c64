"""Backends named for how they fail, and one that kills the process that calls it.

Each is given to the site by its dotted path, like any backend; all share one memory, so a test may look at
what is "really" there.
"""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.utils import timezone

from sandboxes.backends.base import BackendError, Fault, Observation, Phase, Spec, Tier
from sandboxes.backends.memory import MemoryBackend
from sandboxes.backends.memory.store import ProcessStore, Store, default_store
from sandboxes.backends.memory.workspace import MemoryWorkspace
from sandboxes.models import Sandbox

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


def HalfWalledBackend() -> MemoryBackend:  # noqa: N802
    """Holds programs to limits and cannot wall them off."""
    return MemoryBackend(pace_s={}, store=shared, isolation=Tier.LIMITS_ONLY)


def UnwalledBackend() -> MemoryBackend:  # noqa: N802
    """Cannot hold programs at all."""
    return MemoryBackend(pace_s={}, store=shared, isolation=Tier.OFF)


class LingeringBackend(MemoryBackend):
    """Its sandboxes do not go away however often they are destroyed."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def destroy(self, sandbox_id: str) -> Observation:
        seen = self.observe(sandbox_id)
        if seen.phase is Phase.ABSENT:
            return seen
        return Observation(sandbox_id=sandbox_id, phase=Phase.STOPPED, detail="A volume is still attached.")


class ClingingBackend(MemoryBackend):
    """Cannot remove anything in the time that a call may take."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def destroy(self, sandbox_id: str) -> Observation:
        raise BackendError("The sandbox host does not answer in time.", retryable=True)


class InterruptedBackend(MemoryBackend):
    """Something happens to the site, or to the way to it, while it is asked for programs."""

    meanwhile: Callable[[str], None] = staticmethod(lambda sandbox_id: None)

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def workspace(self, sandbox_id: str) -> MemoryWorkspace:
        type(self).meanwhile(sandbox_id)
        return super().workspace(sandbox_id)


class HangingBackend(MemoryBackend):
    """Its broker hangs from `hangs` on, until it is stopped; a new one answers."""

    hangs = False

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def observe(self, sandbox_id: str) -> Observation:
        seen = super().observe(sandbox_id)
        if not type(self).hangs or seen.phase is not Phase.RUNNING:
            return seen
        detail = "Your Kafka broker did not answer in time."
        return Observation(sandbox_id=sandbox_id, phase=Phase.FAILED, cause="broker_silent", detail=detail)

    def look(self) -> Mapping[str, Observation]:
        return {name: self.observe(name) for name in self.inventory()}

    def ensure(self, spec: Spec) -> Observation:
        super().ensure(spec)
        return self.observe(spec.sandbox_id)

    def suspend(self, sandbox_id: str) -> Observation:
        type(self).hangs = False
        return super().suspend(sandbox_id)


class LateBackend(MemoryBackend):
    """Takes most of a lease to start; `leases` are the seconds that were left when long questions came."""

    leases: list[float]

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)
        self.leases = []

    def ensure(self, spec: Spec) -> Observation:
        self._take_time(spec.sandbox_id)
        return super().ensure(spec)

    def prove(self, sandbox_id: str) -> None:
        self._note_lease(sandbox_id)

    def in_use(self, sandbox_id: str) -> str:
        self._note_lease(sandbox_id)
        return ""

    def workspace(self, sandbox_id: str) -> MemoryWorkspace:
        self._take_time(sandbox_id)
        return super().workspace(sandbox_id)

    def _take_time(self, sandbox_id: str) -> None:
        until = timezone.now() + timedelta(seconds=2)
        Sandbox.objects.filter(pk=sandbox_id).update(lease_until=until)

    def _note_lease(self, sandbox_id: str) -> None:
        until = Sandbox.objects.values_list("lease_until", flat=True).get(pk=sandbox_id)
        self.leases.append((until - timezone.now()).total_seconds() if until else 0.0)


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


class FullBackend(MemoryBackend):
    """What is stopped in it has outgrown its room, until it is started again; then it grows."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def observe(self, sandbox_id: str) -> Observation:
        seen = super().observe(sandbox_id)
        if seen.phase is not Phase.STOPPED:
            return seen
        detail = "Your topics hold more data than a sandbox may keep. Start over to get an empty one."
        return Observation(sandbox_id=sandbox_id, phase=Phase.STOPPED, cause="disk_full", detail=detail)

    def look(self) -> Mapping[str, Observation]:
        return {name: self.observe(name) for name in self.inventory()}


class RestartedBackend(MemoryBackend):
    """What does not run in it ended while its host was away, with the site or the machine."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def look(self) -> Mapping[str, Observation]:
        seen = super().look()
        return {name: self._told(one) if one.phase is Phase.STOPPED else one for name, one in seen.items()}

    def _told(self, seen: Observation) -> Observation:
        return replace(seen, cause="host_restarted", detail="It stopped when the platform restarted.")


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


class SlowToFallBackend(MemoryBackend):
    """Looks up for as long as anybody asks, also after a fault has told it to stop."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def inject(self, sandbox_id: str, fault: Fault) -> None:
        """Accepted, and not yet to be seen."""


class SlowToRiseBackend(MemoryBackend):
    """Its broker is up again a while after it was stopped on purpose, longer than a step is patient."""

    RISES_S = 1.5
    up_at = 0.0

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=shared)

    def undo(self, sandbox_id: str, fault: Fault) -> None:
        type(self).up_at = time.monotonic() + self.RISES_S
        super().undo(sandbox_id, fault)

    def observe(self, sandbox_id: str) -> Observation:
        seen = super().observe(sandbox_id)
        if seen.phase is Phase.RUNNING and time.monotonic() < self.up_at:
            return Observation(sandbox_id=sandbox_id, phase=Phase.STARTING, stage="kafka")
        return seen

    def ensure(self, spec: Spec) -> Observation:
        super().ensure(spec)
        return self.observe(spec.sandbox_id)


class CountingBackend(MemoryBackend):
    """Ready after a number of looks rather than after a time, so that every run makes the same calls."""

    LOOKS = 3

    def _stage(self, elapsed_s: float) -> str:
        return ""

    def observe(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is not None and entry["started_at"] is not None:
                entry["looks"] = entry.get("looks", 0) + 1
                if entry["looks"] < self.LOOKS:
                    return Observation(sandbox_id=sandbox_id, phase=Phase.STARTING, stage="kafka")
            return self._seen(sandbox_id, entry)

    def ensure(self, spec: Spec) -> Observation:
        MemoryBackend.ensure(self, spec)
        return self.observe(spec.sandbox_id)

    def resume(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            if sandbox_id in entries and entries[sandbox_id]["started_at"] is None:
                entries[sandbox_id]["looks"] = 0
        MemoryBackend.resume(self, sandbox_id)
        return self.observe(sandbox_id)


def PatientBackend() -> MemoryBackend:  # noqa: N802
    """Takes four seconds to start, in a file that outlives its processes."""
    return MemoryBackend(pace_s={"kafka": 4.0}, store=default_store())


class RushBackend(MemoryBackend):
    """Starts take as long as thirty real ones did, three at a time on four cores, by luck of their ids.

    RUSH_PACE: a factor, so that a test need not wait as long as a bench.
    """

    TOOK_S = (0.9, 1.0, 1.0, 1.1, 1.1, 1.2, 1.2, 1.3, 1.4, 1.6)

    def __init__(self) -> None:
        super().__init__(pace_s={"kafka": 1.0}, store=default_store())
        self._pace = float(os.environ.get("RUSH_PACE", "1"))

    def _seen(self, sandbox_id: str, entry: dict[str, Any] | None) -> Observation:
        if entry is not None and entry["started_at"] is not None:
            now = time.time()
            took_s = self._pace * self.TOOK_S[int(sandbox_id, 16) % len(self.TOOK_S)]
            entry = {**entry, "started_at": now - (now - entry["started_at"]) / took_s}
        return super()._seen(sandbox_id, entry)


class CrashingBackend:
    """Ends its process, as kill -9 does, before or after the n-th call since it was armed.

    CRASH_AT: "<n>:before" or "<n>:after", counted from 1. The sandboxes are outside of the process: in the
    file MILLRACE_MEMORY_STORE, or with CRASH_INNER=local in a real sandbox host.
    """

    def __init__(self) -> None:
        number, _, self._when = os.environ.get("CRASH_AT", "0:").partition(":")
        self._at = int(number)
        self._armed = False
        self._inner = _outside_of_this_process()
        self.calls: list[str] = []

    def arm(self) -> None:
        """From here on calls count."""
        self._armed = True

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        if not self._armed or name in {"workspace", "tier"}:
            return call

        def watched(*args: object, **kwargs: object) -> Any:
            self.calls.append(name)
            self._perhaps_die("before")
            answer = call(*args, **kwargs)
            self._perhaps_die("after")
            return answer

        return watched

    def _perhaps_die(self, when: str) -> None:
        if len(self.calls) == self._at and self._when == when:
            os._exit(137)


def _outside_of_this_process() -> Any:
    if os.environ.get("CRASH_INNER") == "local":
        from sandboxes.backends.local.backend import LocalBackend

        return LocalBackend()
    return CountingBackend(pace_s={}, store=default_store())


class CallsBackend(MemoryBackend):
    """Ready at once, outside of this process; remembers which sandboxes it was asked to start."""

    def __init__(self) -> None:
        super().__init__(pace_s={}, store=default_store())
        self.calls: list[tuple[str, str]] = []

    def ensure(self, spec: Spec) -> Observation:
        self.calls.append(("ensure", spec.sandbox_id))
        return super().ensure(spec)
