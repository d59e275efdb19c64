"""Sandboxes that start, stop and fail at a set pace, as entries of a store."""

import time
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from sandboxes.backends.base import (
    BackendError,
    Fault,
    KafkaEndpoint,
    NodeState,
    Observation,
    Phase,
    Spec,
    Tier,
    Usage,
)
from sandboxes.backends.memory.store import Store, default_store, known
from sandboxes.backends.memory.workspace import MemoryWorkspace, end_programs

# How long each stage of a start seems to take, in seconds; about a tuned kafka-1 on a laptop.
PACE_S = {"namespaces": 0.05, "kafka": 0.5, "probe": 0.05}
# What a kafka-1 holds while it runs, and what it uses of a core while it does nothing.
MEMORY_BYTES = 130 * 1024 * 1024
IDLE_CORE = 0.02
ROOM = 1000
_BROKER_FAULTS = {"broker_stop", "broker_kill"}


@dataclass(slots=True)
class MemoryBackend:
    """The contract without a Kafka. pace_s: seconds per stage of a start; {} is ready at once."""

    pace_s: dict[str, float] = field(default_factory=lambda: dict(PACE_S))
    store: Store = field(default_factory=default_store)
    isolation: Tier = Tier.STRONG

    def ensure(self, spec: Spec) -> Observation:
        if spec.profile != "kafka-1":
            raise BackendError(f"There is no profile called {spec.profile} here. Choose kafka-1.")
        with self.store.changing() as entries:
            entry = entries.get(spec.sandbox_id)
            if entry is None or entry["generation"] < spec.generation:
                entry = entries[spec.sandbox_id] = _new_entry(spec)
            if entry["started_at"] is None:
                entry["started_at"] = time.time()
            return self._seen(spec.sandbox_id, entry)

    def observe(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            return self._seen(sandbox_id, entries.get(sandbox_id))

    def destroy(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            entries.pop(sandbox_id, None)
        return Observation(sandbox_id=sandbox_id, phase=Phase.ABSENT)

    def freeze(self, sandbox_id: str) -> Observation:
        return self._set(sandbox_id, frozen=True)

    def thaw(self, sandbox_id: str) -> Observation:
        return self._set(sandbox_id, frozen=False)

    def suspend(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            if sandbox_id in entries:
                end_programs(entries[sandbox_id], "sandbox_ended")
        return self._set(sandbox_id, started_at=None, frozen=False, faults=[])

    def resume(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is not None and entry["started_at"] is None:
                entry["started_at"] = time.time()
            return self._seen(sandbox_id, entry)

    def inventory(self) -> tuple[str, ...]:
        with self.store.changing() as entries:
            return tuple(entries)

    def look(self) -> Mapping[str, Observation]:
        with self.store.changing() as entries:
            return {sandbox_id: self._seen(sandbox_id, entry) for sandbox_id, entry in entries.items()}

    def usage(self) -> Mapping[str, Usage]:
        with self.store.changing() as entries:
            return {name: _usage(entry) for name, entry in entries.items() if entry["started_at"] is not None}

    def room(self) -> int:
        with self.store.changing() as entries:
            return max(0, ROOM - len(entries))

    def answers(self, sandbox_id: str) -> bool:
        seen = self.observe(sandbox_id)
        return seen.phase is Phase.RUNNING and not seen.frozen

    def prove(self, sandbox_id: str) -> None:
        if not self.answers(sandbox_id):
            raise BackendError("There is no Kafka here to write to.", retryable=True)

    def in_use(self, sandbox_id: str) -> str:
        return ""

    def inject(self, sandbox_id: str, fault: Fault) -> None:
        with self.store.changing() as entries:
            entry = known(entries, sandbox_id)
            if asdict(fault) not in entry["faults"]:
                entry["faults"].append(asdict(fault))
            if fault.kind in _BROKER_FAULTS:
                entry["started_at"] = None

    def undo(self, sandbox_id: str, fault: Fault) -> None:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is None:
                return
            was_there = any(_same(one, fault) for one in entry["faults"])
            entry["faults"] = [one for one in entry["faults"] if not _same(one, fault)]
            if was_there and fault.kind in _BROKER_FAULTS and entry["started_at"] is None:
                entry["started_at"] = time.time()

    def workspace(self, sandbox_id: str) -> MemoryWorkspace:
        return MemoryWorkspace(self.store, sandbox_id)

    def tier(self) -> Tier:
        return self.isolation

    def _set(self, sandbox_id: str, **values: Any) -> Observation:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is not None:
                entry.update(values)
            return self._seen(sandbox_id, entry)

    def _seen(self, sandbox_id: str, entry: dict[str, Any] | None) -> Observation:
        if entry is None:
            return Observation(sandbox_id=sandbox_id, phase=Phase.ABSENT)
        if entry["started_at"] is None:
            return Observation(sandbox_id=sandbox_id, phase=Phase.STOPPED, nodes=_nodes(running=False))
        stage = self._stage(time.time() - entry["started_at"])
        if stage:
            return Observation(
                sandbox_id=sandbox_id, phase=Phase.STARTING, stage=stage, nodes=_nodes(running=False)
            )
        return Observation(
            sandbox_id=sandbox_id,
            phase=Phase.RUNNING,
            endpoint=_endpoint(entry),
            frozen=entry["frozen"],
            nodes=_nodes(running=True),
        )

    def _stage(self, elapsed_s: float) -> str:
        for stage, lasts_s in self.pace_s.items():
            if elapsed_s < lasts_s:
                return stage
            elapsed_s -= lasts_s
        return ""


def _usage(entry: dict[str, Any]) -> Usage:
    """What a real one of its age would have used."""
    programs = sum(run["ended_at"] is None for run in entry["runs"])
    age_s = 0.0 if entry["frozen"] else time.time() - entry["started_at"]
    return Usage(
        memory_bytes=MEMORY_BYTES,
        cpu_s=1.3 + IDLE_CORE * age_s,
        disk_bytes=sum(len(text) for text in entry["files"].values()),
        processes=3 + programs,
    )


def _new_entry(spec: Spec) -> dict[str, Any]:
    return {
        "generation": spec.generation,
        "started_at": None,
        "frozen": False,
        "faults": [],
        "password": uuid.uuid4().hex,
        "cluster_id": uuid.uuid4().hex[:22],
        "files": {"kafka.properties": _KAFKA_PROPERTIES},
        "runs": [],
        "events": [],
        "seq": 0,
    }


_KAFKA_PROPERTIES = "bootstrap.servers=localhost:9092\nsecurity.protocol=PLAINTEXT\n"


def _nodes(*, running: bool) -> tuple[NodeState, ...]:
    return (NodeState(node_id=1, role="combined", running=running),)


def _endpoint(entry: dict[str, Any]) -> KafkaEndpoint:
    # Port 9 discards everything (RFC 863): a client that is pointed here by mistake reaches nobody's Kafka.
    return KafkaEndpoint(
        bootstrap_servers="127.0.0.1:9",
        cluster_id=entry["cluster_id"],
        username="platform",
        password=entry["password"],
    )


def _same(one: dict[str, Any], fault: Fault) -> bool:
    return bool(one["kind"] == fault.kind and one["node"] == fault.node)
