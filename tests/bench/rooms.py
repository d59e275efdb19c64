"""Sandboxes of a host without a site, for benches about what they cost awake and asleep."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import Producer

from sandboxes.backends.base import KafkaEndpoint, Phase, Spec
from tests.bench import processes, spawn
from tests.sandboxes.backends.local_host import LocalHost, wait_until

_START_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One sandbox with a client that knows it already."""

    sandbox_id: str
    keeper: int
    endpoint: KafkaEndpoint
    producer: Producer


def start(host: LocalHost, count: int) -> list[Room]:
    """Started together, each with a topic, a record and a client."""
    names = [Spec(sandbox_id=f"{time.time_ns() + number:032x}") for number in range(count)]
    for spec in names:
        host.backend.ensure(spec)
    wait_until(
        lambda: all(host.backend.observe(one.sandbox_id).phase is Phase.RUNNING for one in names),
        _START_S,
        lambda: f"not all of {count} are up",
    )
    return [_room(host, spec.sandbox_id) for spec in names]


def _room(host: LocalHost, sandbox_id: str) -> Room:
    endpoint = host.backend.observe(sandbox_id).endpoint
    assert endpoint
    spawn.first_ack(endpoint)
    producer = Producer({**endpoint.client_config(), "linger.ms": 0, "log_level": 0})
    spawn.ack_s(producer)
    return Room(
        sandbox_id=sandbox_id, keeper=host.keeper_pid(sandbox_id), endpoint=endpoint, producer=producer
    )


def cpu_shares(rooms: Sequence[Room], window_s: float) -> list[float]:
    """Percent of a core each uses in the next so many seconds."""
    before = cpu_s(rooms)
    time.sleep(window_s)
    return [100 * (now - was) / window_s for now, was in zip(cpu_s(rooms), before, strict=True)]


def cpu_s(rooms: Sequence[Room]) -> list[float]:
    """CPU seconds that each has used, with everything that runs in it."""
    return [processes.cpu_s(processes.tree(room.keeper)) for room in rooms]
