"""What it costs a broker to be watched: by nobody, by one, by many."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator

from tests.bench import processes
from tests.bench.crowd import Crowd, crowd
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage, Watched
from tests.bench.traffic import Traffic, make_topic

TOPIC = "bench-watching"
MANY = 200
ROUNDS = 2
WINDOW_S = 6.0
_SETTLE_S = 1.5
_WARM_S = 3.0
_GONE_WITHIN_S = 40.0
_READ_WITHIN_S = 20.0


def measure(stage: Stage) -> Iterator[Figure]:
    watched = stage.watched
    make_topic(watched.endpoint, TOPIC)
    with Traffic(watched.endpoint, TOPIC):
        time.sleep(_WARM_S)
        taken = measured("watching", ROUNDS, lambda number: _round(stage, watched, number), spare=1)
    nobody, one, many = ([shares[i] for shares in taken] for i in (0, 1, MANY))
    added = [b - a for a, b in zip(nobody, one, strict=True)]
    yield Figure(
        bench="broker, being watched by one",
        value=middle(added),
        worst=max(added),
        unit="% of a core more",
        goal="<= 5",
        peer=middle(nobody),
        note="at 100 records/s; the peer is the broker with no viewer",
    )
    more = [b - a for a, b in zip(one, many, strict=True)]
    yield Figure(
        bench=f"broker, {MANY} viewers over one",
        value=middle(more),
        worst=max(more),
        unit="% of a core more",
        goal="<= 1",
        peer=middle(one),
    )
    gone_s, connected, left = _leave(stage, watched)
    yield Figure(
        bench="broker, last viewer gone -> nobody asks it",
        value=gone_s,
        unit="s",
        goal="<= 10",
        note=f"{connected} connections while watched",
    )
    yield Figure(bench="broker, unwatched", value=left, unit="connections of ours", goal="= 0")


def _leave(stage: Stage, watched: Watched) -> tuple[float, int, int]:
    """Seconds from the last viewer's leaving until nothing of ours is connected; connections then and now."""
    with _viewers(watched, 1):
        _until_read(stage, watched)
        connected = _connections(stage, watched)
    began = time.monotonic()
    while (left := _connections(stage, watched)) and time.monotonic() - began < _GONE_WITHIN_S:
        time.sleep(0.05)
    return time.monotonic() - began, connected, left


def _connections(stage: Stage, watched: Watched) -> int:
    """The sampler's to the broker."""
    host, _, port = watched.endpoint.bootstrap_servers.partition(":")
    return processes.connections_to(stage.sampler_pid, host, int(port))


def _round(stage: Stage, watched: Watched, number: int) -> dict[int, float]:
    """Percent of a core the broker used, by number of viewers, in an order that turns."""
    counts = (0, 1, MANY)
    return {count: _share(stage, watched, count) for count in counts[number % 3 :] + counts[: number % 3]}


def _share(stage: Stage, watched: Watched, viewers: int) -> float:
    with contextlib.ExitStack() as stack:
        if viewers:
            stack.enter_context(_viewers(watched, viewers))
            _until_read(stage, watched)
        else:
            _leave_alone(stage, watched)
        return _broker_share(watched.broker_pid, WINDOW_S)


def _viewers(watched: Watched, count: int) -> contextlib.AbstractContextManager[Crowd]:
    student = watched.student
    hello = {"op": "hello", "view": [TOPIC], "resume": None}
    return crowd(count, student.address, watched.path, cookie=student.cookie_header, hello=hello)


def _until_read(stage: Stage, watched: Watched) -> None:
    """Watched is what the sampler reads: without this a sampler that is asleep would cost nothing."""
    until = time.monotonic() + _READ_WITHIN_S
    while not _connections(stage, watched):
        assert time.monotonic() < until, "the sampler does not read a sandbox that is watched"
        time.sleep(0.1)
    time.sleep(_SETTLE_S)


def _leave_alone(stage: Stage, watched: Watched) -> None:
    """End the last viewer's wish now rather than in half a minute, and wait until the sampler has gone."""
    until = time.monotonic() + 15
    time.sleep(0.3)
    while stage.redis.exists(f"live:lease:{watched.sandbox_id}"):
        stage.redis.delete(f"live:watch:{watched.sandbox_id}")
        assert time.monotonic() < until, "the sampler still reads a sandbox that nobody watches"
        time.sleep(0.1)


def _broker_share(pid: int, window_s: float) -> float:
    used = processes.cpu_s([pid])
    time.sleep(window_s)
    return 100 * (processes.cpu_s([pid]) - used) / window_s


_HALF = """
import time
while True:
    until = time.thread_time() + 0.02
    while time.thread_time() < until: pass
    time.sleep(0.02)
"""


def prove(_stage: Stage) -> Iterator[Proof]:
    """A process that says how much of a core it used by its own clock."""
    code = _HALF.replace("while True:", "end = time.monotonic() + 4\nwhile time.monotonic() < end:", 1)
    code += "print(time.process_time(), flush=True)\ntime.sleep(30)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as user:
        assert user.stdout
        share = _broker_share(user.pid, WINDOW_S)
        used = 100 * float(user.stdout.readline()) / WINDOW_S
        user.kill()
    yield Proof(what="watching: a process at half a core", put_in=used, reported=share, unit="% of a core")
