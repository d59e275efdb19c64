"""What sandboxes cost while nobody uses them, one, ten and thirty at once; frozen too; how fast they wake."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Producer

from sandboxes.backends.base import KafkaEndpoint, Phase, Spec
from tests.bench import processes, spawn
from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rounds import is_quick, measured, tell
from tests.bench.stage import Stage
from tests.sandboxes.backends.local_host import LocalHost, wait_until

SIZES = (1, 10, 30)
GOAL_SIZE = 10
SETTLE_S = 6.0
WINDOW_S = 12.0
ROUNDS = 3
FROZEN_S = 600.0
WAKES = 5
_QUICK_SIZES, _QUICK_FROZEN_S = (1, 3), 10.0
_START_S = 120.0
_ASLEEP_S = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """One sandbox with a client that knows it already."""

    sandbox_id: str
    keeper: int
    endpoint: KafkaEndpoint
    producer: Producer


def measure(stage: Stage) -> Iterator[Figure]:
    rooms: list[Room] = []
    sizes = _QUICK_SIZES if is_quick() else SIZES
    try:
        for size in sizes:
            rooms += _rooms(stage.host, size - len(rooms))
            yield from _awake(rooms, is_goal=size == (sizes[-1] if is_quick() else GOAL_SIZE))
        yield from _frozen(stage.host, rooms)
    finally:
        for room in rooms:
            stage.host.destroy(room.sandbox_id)


def _rooms(host: LocalHost, count: int) -> list[Room]:
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


def _awake(rooms: list[Room], *, is_goal: bool) -> Iterator[Figure]:
    """The goals are for several at once: one alone has nobody to share its archive and libraries with."""
    time.sleep(SETTLE_S)
    memory = [processes.pss_mb(processes.tree(room.keeper)) for room in rooms]
    rounds = measured(f"idle {len(rooms)}", ROUNDS, lambda _: _shares(rooms, WINDOW_S), spare=1)
    shares = [middle(one) for one in rounds]
    yield Figure(
        bench=f"idle sandbox, memory, {len(rooms)} at once",
        value=middle(memory),
        worst=max(memory),
        unit="MB PSS",
        goal="<= 140" if is_goal else "",
        note=_parts(rooms[0]),
    )
    yield Figure(
        bench=f"idle sandbox, CPU, {len(rooms)} at once",
        value=middle(shares),
        worst=max(shares),
        unit="% of a core",
        goal="<= 2.5" if is_goal else "",
    )


def _parts(room: Room) -> str:
    """Of what the memory of one of them consists."""
    pids = processes.tree(room.keeper)
    java = processes.named(room.keeper, "kafka.Kafka")
    broker, keeper = processes.pss_mb([java]), processes.pss_mb([room.keeper])
    rest = processes.pss_mb(pids) - broker - keeper
    return f"broker {broker:.0f}, keeper {keeper:.1f}, bubblewrap {rest:.1f}"


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
    lasting = _QUICK_FROZEN_S if is_quick() else FROZEN_S
    tell(f"frozen for {lasting:.0f} s")
    shares = _shares(rooms, lasting)
    yield Figure(
        bench="frozen sandbox, CPU",
        value=middle(shares),
        worst=max(shares),
        unit="% of a core",
        goal="<= 0.05",
        note=f"{len(rooms)} at once, {lasting:.0f} s",
    )
    yield _wakes(f"frozen for {lasting:.0f} s, wake to acknowledged, p95", [_wake_ms(host, r) for r in rooms])
    again = [_wake_ms(host, room) for _ in range(WAKES) for room in rooms[:3]]
    yield _wakes(f"frozen for {_ASLEEP_S / 3:.1f} s, wake to acknowledged, p95", again)


def _wakes(name: str, taken: list[float]) -> Figure:
    return Figure(
        bench=name,
        value=percentile(taken, 0.95),
        worst=max(taken),
        unit="ms",
        goal="<= 100",
        note=f"{len(taken)} wakes, median {middle(taken):.0f} ms",
    )


def _wake_ms(host: LocalHost, room: Room, *, hold_s: float = 0.0) -> float:
    began = time.monotonic()
    time.sleep(hold_s)
    host.backend.thaw(room.sandbox_id)
    taken = spawn.ack_s(room.producer) - began
    host.backend.freeze(room.sandbox_id)
    time.sleep(_ASLEEP_S / 3)
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


def prove(stage: Stage) -> Iterator[Proof]:
    """A process that uses a known amount of both, and a wake that is held up."""
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
    yield _prove_wake(stage.host)


def _prove_wake(host: LocalHost) -> Proof:
    (room,) = _rooms(host, 1)
    hold_s = 0.25
    try:
        host.backend.freeze(room.sandbox_id)
        plain = [_wake_ms(host, room) for _ in range(3)]
        held = [_wake_ms(host, room, hold_s=hold_s) for _ in range(3)]
    finally:
        host.destroy(room.sandbox_id)
    moved = middle(held) - middle(plain)
    return Proof(what="idle: a wake held up", put_in=1000 * hold_s, reported=moved, unit="ms")
