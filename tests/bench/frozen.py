"""What frozen sandboxes use, and how fast they wake: after all the other benches, and at once."""

from __future__ import annotations

import time
from collections.abc import Iterator

from tests.bench import rooms, spawn
from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rooms import Room
from tests.bench.rounds import is_quick, tell
from tests.bench.stage import Stage
from tests.sandboxes.backends.local_host import LocalHost

FEW = 3
LEAST_S, QUICK_LEAST_S = 60.0, 10.0
WINDOW_S = 10.0
WAKES = 5
_ASLEEP_S = 0.5


def measure(stage: Stage) -> Iterator[Figure]:
    if not stage.asleep:
        _put_to_sleep(stage)
    try:
        yield from _frozen(stage)
    finally:
        while stage.asleep:
            stage.host.destroy(stage.asleep.pop().sandbox_id)


def _put_to_sleep(stage: Stage) -> None:
    stage.asleep += rooms.start(stage.host, FEW)
    for room in stage.asleep:
        stage.host.backend.freeze(room.sandbox_id)
    stage.asleep_since = time.monotonic()


def _frozen(stage: Stage) -> Iterator[Figure]:
    least = QUICK_LEAST_S if is_quick() else LEAST_S
    left = stage.asleep_since + least - WINDOW_S - time.monotonic()
    if left > 0:
        tell(f"frozen: for {left:.0f} s more")
        time.sleep(left)
    shares = rooms.cpu_shares(stage.asleep, WINDOW_S)
    slept = time.monotonic() - stage.asleep_since
    yield Figure(
        bench="frozen sandbox, CPU",
        value=middle(shares),
        worst=max(shares),
        unit="% of a core",
        goal="<= 0.05",
        note=f"{len(stage.asleep)} at once",
    )
    taken = [_wake_ms(stage.host, room) for room in stage.asleep]
    yield _wakes("after a long sleep", slept, taken)
    again = [_wake_ms(stage.host, room) for _ in range(WAKES) for room in stage.asleep[:FEW]]
    yield _wakes("soon after", _ASLEEP_S, again)


def _wakes(how: str, slept_s: float, taken: list[float]) -> Figure:
    return Figure(
        bench=f"frozen sandbox, wake to acknowledged, {how}, p95",
        value=percentile(taken, 0.95),
        worst=max(taken),
        unit="ms",
        goal="<= 100",
        note=f"slept for {slept_s:.3g} s; {len(taken)} wakes, median {middle(taken):.0f} ms",
    )


def _wake_ms(host: LocalHost, room: Room, *, hold_s: float = 0.0) -> float:
    began = time.monotonic()
    time.sleep(hold_s)
    host.backend.thaw(room.sandbox_id)
    taken = spawn.ack_s(room.producer) - began
    host.backend.freeze(room.sandbox_id)
    time.sleep(_ASLEEP_S)
    return taken * 1000


def prove(stage: Stage) -> Iterator[Proof]:
    """A sandbox that is awake is no frozen one, and a wake that is held up."""
    (room,) = rooms.start(stage.host, 1)
    hold_s = 0.25
    try:
        stage.host.backend.freeze(room.sandbox_id)
        asleep = rooms.cpu_shares([room], 4.0)[0]
        stage.host.backend.thaw(room.sandbox_id)
        stirring = rooms.cpu_shares([room], 4.0)[0]
        stage.host.backend.freeze(room.sandbox_id)
        plain = [_wake_ms(stage.host, room) for _ in range(3)]
        held = [_wake_ms(stage.host, room, hold_s=hold_s) for _ in range(3)]
    finally:
        stage.host.destroy(room.sandbox_id)
    yield Proof(
        what="frozen: sandboxes that stir", put_in=1, reported=stirring > 0.05 >= asleep, unit="", within=0
    )
    moved = middle(held) - middle(plain)
    yield Proof(what="frozen: a wake held up", put_in=1000 * hold_s, reported=moved, unit="ms")
