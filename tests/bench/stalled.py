"""Viewers that never read, beside others that do: their cost, whom they slow, when they are let go."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench import processes
from tests.bench.crowd import crowd
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.sockets import LiveSocket
from tests.bench.stage import Stage
from tests.live.byhand import Sampler
from tests.live.served import Served, served

STALLED = 50
OTHERS = 100
# 1,000 records a second, in frames as large as they become.
FLUSHES_PER_S, RECORDS, SIZE = 20.0, 50, 200
ROUNDS = 2
WINDOW_S = 8.0
_CLOSED_WITHIN_S = 60.0
_RECEIVE_BYTES = 4096
_SETTLE_S = 2.0
HELLO = {"op": "hello", "view": ["orders"], "resume": None}


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """p99 of the others in ms, without stalled ones and beside them; MB and seconds for a stalled one."""

    without: float
    beside: float
    grown_mb: float
    closed_s: float
    lost: int


def measure(_stage: Stage) -> Iterator[Figure]:
    with (
        served(LIVE_TABS_PER_USER="5000") as site,
        Sampler(site.valkey.url, site.sandbox.hex) as sampler,
        sampler.at_a_pace(FLUSHES_PER_S, count=RECORDS, size=SIZE),
    ):
        found = measured("stalled", ROUNDS, lambda _: _round(site), spare=1)
    pace = f"{STALLED} that never read at {FLUSHES_PER_S * RECORDS:.0f} records/s"
    grown = [one.grown_mb for one in found]
    yield Figure(
        bench="stalled, memory of the web process",
        value=middle(grown),
        worst=max(grown),
        unit="MB each",
        goal="<= 1",
        note=pace,
    )
    slower = [one.beside / one.without for one in found]
    yield Figure(
        bench="stalled, p99 of others beside them / without them",
        value=middle(slower),
        worst=max(slower),
        unit="x",
        goal="<= 1.2",
        peer=middle(one.without for one in found),
        note=f"{OTHERS} others, {sum(one.lost for one in found)} frames lost",
    )
    closed = [one.closed_s for one in found]
    yield Figure(
        bench="stalled, let go after",
        value=middle(closed),
        worst=max(closed),
        unit="s",
        goal="<= 30",
        note=pace,
    )


def _round(site: Served) -> Round:
    cookie = site.cookies["ada"]
    with crowd(OTHERS, site.address, site.path, cookie=cookie, hello=HELLO) as others:
        time.sleep(_SETTLE_S)
        others.tally()
        time.sleep(WINDOW_S)
        before = others.tally()
        memory = processes.pss_mb([site.pid])
        with stalled(site, STALLED) as sockets:
            began = time.monotonic()
            time.sleep(WINDOW_S)
            after = others.tally()
            grown = processes.pss_mb([site.pid]) - memory
            closed = _until_closed(site.port, sockets) - began
    return Round(
        without=before.late(0.99),
        beside=after.late(0.99),
        grown_mb=grown / STALLED,
        closed_s=closed,
        lost=after.gaps,
    )


@contextlib.contextmanager
def stalled(site: Served, count: int) -> Iterator[list[socket.socket]]:
    """Sockets that say hello, have hardly any room, and never read."""
    with contextlib.ExitStack() as stack:
        found = []
        for _ in range(count):
            line = LiveSocket(site.address, site.path, site.cookies["ada"], room=_RECEIVE_BYTES)
            stack.callback(line.cut)
            line.say(**HELLO)
            found.append(line.wire)
        yield found


def _until_closed(port: int, sockets: list[socket.socket]) -> float:
    """When the server has let go of the last of them; they themselves cannot know, as they do not read."""
    theirs = {one.getsockname()[1] for one in sockets}
    until = time.monotonic() + _CLOSED_WITHIN_S
    while processes.peers(port) & theirs:
        if time.monotonic() > until:
            return float("inf")
        time.sleep(0.25)
    return time.monotonic()


_GROWING = """
import sys, time
print(flush=True)
sys.stdin.readline()
held = bytearray(b"x") * 40_000_000
print(flush=True)
time.sleep(30)
"""


def prove(_stage: Stage) -> Iterator[Proof]:
    """A process that grows by as much as it says, and a connection that is let go after a while."""
    with subprocess.Popen(
        [sys.executable, "-c", _GROWING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        assert user.stdin
        assert user.stdout
        user.stdout.readline()
        before = processes.pss_mb([user.pid])
        user.stdin.write(b"\n")
        user.stdin.flush()
        user.stdout.readline()
        grown = processes.pss_mb([user.pid]) - before
        user.kill()
    yield Proof(what="stalled: a process that grows", put_in=40.0, reported=grown, unit="MB", within=0.1)
    with socket.create_server(("127.0.0.1", 0)) as server:
        one = socket.create_connection(server.getsockname())
        other, _ = server.accept()
        began = time.monotonic()
        threading.Timer(2.0, other.close).start()
        took = _until_closed(server.getsockname()[1], [one]) - began
        one.close()
    yield Proof(what="stalled: a connection let go after a while", put_in=2.0, reported=took, unit="s")
