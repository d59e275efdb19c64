"""What one, ten and thirty sandboxes cost that nobody uses, beside a broker without a sandbox."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import processes, rooms, spawn
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rooms import Room
from tests.bench.rounds import is_quick, measured
from tests.bench.stage import Stage

SIZES = (1, 10, 30)
QUICK_SIZES = (1, 3)
GOAL_SIZE = 10
# As many are left asleep for the bench of frozen ones, which looks at them when all others are done.
ASLEEP = 10
SETTLE_S = 6.0
WINDOW_S = 10.0
ROUNDS = 2


def measure(stage: Stage) -> Iterator[Figure]:
    awake: list[Room] = []
    sizes = QUICK_SIZES if is_quick() else SIZES
    try:
        for size in sizes:
            awake += rooms.start(stage.host, size - len(awake))
            yield from _awake(awake, is_goal=size == (sizes[-1] if is_quick() else GOAL_SIZE))
        while awake and len(stage.asleep) < ASLEEP:
            stage.host.backend.freeze(awake[0].sandbox_id)
            stage.asleep.append(awake.pop(0))
        stage.asleep_since = time.monotonic()
    finally:
        for room in awake:
            stage.host.destroy(room.sandbox_id)


def _awake(awake: list[Room], *, is_goal: bool) -> Iterator[Figure]:
    """The goals are for several at once: one alone has nobody to share its archive and libraries with."""
    with spawn.tuned() as bare:
        time.sleep(SETTLE_S)
        memory = [processes.pss_mb(processes.tree(room.keeper)) for room in awake]
        floor = processes.pss_mb([bare.pid])
        taken = measured(f"idle {len(awake)}", ROUNDS, lambda _: _shares(awake, bare.pid), spare=1)
    shares, floors = [middle(ours) for ours, _ in taken], [theirs for _, theirs in taken]
    yield Figure(
        bench=f"idle sandbox, memory, {len(awake)} at once",
        value=middle(memory),
        worst=max(memory),
        unit="MB PSS",
        goal="<= 140" if is_goal else "",
        peer=floor,
        note=f"{_parts(awake[0])}; the peer is the same broker without a sandbox",
    )
    yield Figure(
        bench=f"idle sandbox, CPU, {len(awake)} at once",
        value=middle(shares),
        worst=max(shares),
        unit="% of a core",
        goal="<= 2.5" if is_goal else "",
        peer=middle(floors),
    )


def _shares(awake: list[Room], bare: int) -> tuple[list[float], float]:
    """Percent of a core in one window: of each sandbox, and of the broker without one."""
    used = processes.cpu_s([bare])
    ours = rooms.cpu_shares(awake, WINDOW_S)
    return ours, 100 * (processes.cpu_s([bare]) - used) / WINDOW_S


def _parts(room: Room) -> str:
    """Of what the memory of one of them consists."""
    pids = processes.tree(room.keeper)
    java = processes.named(room.keeper, "kafka.Kafka")
    broker, keeper = processes.pss_mb([java]), processes.pss_mb([room.keeper])
    rest = processes.pss_mb(pids) - broker - keeper
    return f"broker {broker:.0f}, keeper {keeper:.1f}, bubblewrap {rest:.1f}"


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
