"""What a sandbox costs while nobody uses it: awake, and frozen; and how fast a frozen one answers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Producer

from sandboxes.backends.base import KafkaEndpoint
from tests.bench import processes, spawn
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage
from tests.sandboxes.backends.local_host import LocalHost

SANDBOXES = 3
SETTLE_S = 6.0
WINDOW_S = 12.0
FROZEN_S = 10.0
WAKES = 5
_ASLEEP_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One sandbox with a client that knows it already."""

    sandbox_id: str
    keeper: int
    endpoint: KafkaEndpoint
    producer: Producer


def measure(stage: Stage) -> Iterator[Figure]:
    rooms = [_room(stage.host) for _ in range(SANDBOXES)]
    try:
        yield from _awake(rooms)
        yield from _frozen(stage.host, rooms)
    finally:
        for room in rooms:
            stage.host.destroy(room.sandbox_id)


def _room(host: LocalHost) -> Room:
    sandbox_id = host.start()
    endpoint = host.backend.observe(sandbox_id).endpoint
    assert endpoint
    spawn.first_ack(endpoint)
    producer = Producer({**endpoint.client_config(), "linger.ms": 0, "log_level": 0})
    spawn.ack_s(producer)
    return Room(
        sandbox_id=sandbox_id, keeper=host.keeper_pid(sandbox_id), endpoint=endpoint, producer=producer
    )


def _awake(rooms: list[Room]) -> Iterator[Figure]:
    time.sleep(SETTLE_S)
    memory = [processes.pss_mb(processes.tree(room.keeper)) for room in rooms]
    yield Figure(
        bench="idle sandbox, memory", value=middle(memory), worst=max(memory), unit="MB PSS", goal="<= 140"
    )
    (shares,) = measured("idle", 1, lambda _: _shares(rooms, WINDOW_S), spare=1)
    yield Figure(
        bench="idle sandbox, CPU", value=middle(shares), worst=max(shares), unit="% of a core", goal="<= 2.5"
    )


def _shares(rooms: list[Room], window_s: float) -> list[float]:
    """Percent of a core each used in a window."""
    pids = [processes.tree(room.keeper) for room in rooms]
    before = [processes.cpu_s(some) for some in pids]
    time.sleep(window_s)
    return [100 * (processes.cpu_s(some) - was) / window_s for some, was in zip(pids, before, strict=True)]


def _frozen(host: LocalHost, rooms: list[Room]) -> Iterator[Figure]:
    for room in rooms:
        host.backend.freeze(room.sandbox_id)
    time.sleep(0.5)
    shares = _shares(rooms, FROZEN_S)
    yield Figure(
        bench="frozen sandbox, CPU",
        value=middle(shares),
        worst=max(shares),
        unit="% of a core",
        goal="<= 0.05",
    )
    wakes = [_wake_ms(host, room) for _ in range(WAKES) for room in rooms]
    yield Figure(
        bench="frozen sandbox, wake to acknowledged",
        value=middle(wakes),
        worst=max(wakes),
        unit="ms",
        goal="<= 100",
        note=f"{len(wakes)} wakes, the first after {FROZEN_S:.0f} s",
    )


def _wake_ms(host: LocalHost, room: Room) -> float:
    began = time.monotonic()
    host.backend.thaw(room.sandbox_id)
    taken = spawn.ack_s(room.producer) - began
    host.backend.freeze(room.sandbox_id)
    time.sleep(_ASLEEP_S / SANDBOXES)
    return taken * 1000


# Burns in threads that end, as the JVM's compilers do: a meter that adds up living threads would miss it.
_USER = """
import threading, time
held = bytearray(60_000_000)
for i in range(0, len(held), 4096): held[i] = 1
def burn():
    until = time.thread_time() + 0.25
    while time.thread_time() < until: pass
for _ in range(2):
    thread = threading.Thread(target=burn)
    thread.start()
    thread.join()
print("done", flush=True)
time.sleep(60)
"""


def prove(_stage: Stage) -> Iterator[Proof]:
    """A process that uses a known amount of both."""
    with subprocess.Popen([sys.executable, "-c", _USER], stdout=subprocess.PIPE) as user:
        assert user.stdout
        user.stdout.readline()
        with subprocess.Popen(
            [sys.executable, "-c", _USER.replace("60_000_000", "4096")], stdout=subprocess.DEVNULL
        ) as plain:
            time.sleep(2)
            memory = processes.pss_mb([user.pid]) - processes.pss_mb([plain.pid])
            plain.kill()
        used = processes.cpu_s(processes.tree(user.pid))
        user.kill()
    yield Proof(what="idle: memory held", put_in=60, reported=memory, unit="MB", within=0.1)
    yield Proof(what="idle: CPU used", put_in=0.5, reported=used, unit="CPU-s")
