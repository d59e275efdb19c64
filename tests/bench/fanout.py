"""Frames delivered per core-second of the web process, beside a bare broadcast and stock group_send.

A sampler driven by hand says the same thing at the same pace to all three; ours goes through the whole site:
uvicorn, sign-in, access, Redis, the hub, JSON.
"""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench import processes
from tests.bench.crowd import ROOT, Crowd, Tally, crowd
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured, tell
from tests.bench.slowway import slow_way
from tests.bench.sockets import LiveSocket
from tests.bench.stage import Stage
from tests.browser.site import free_port
from tests.live.byhand import Sampler
from tests.live.served import Served, served
from tests.live.valkey import running_valkey

# As many as stock group_send still serves at this pace.
VIEWERS = 200
MANY = 1000
FLUSHES_PER_S = 10.0
# The figure for many is one of single frames: every second flush of state and records.
MANY_FLUSHES_PER_S = 5.0
ROUNDS = 3
WINDOW_S = 5.0
_SETTLE_S = 1.5
_CAPTURE_S = 3.0
HELLO = {"op": "hello", "view": ["orders"], "resume": None}

Frames = list[tuple[float, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Of one window: deliveries per core-second, share of a core, how late frames came, how many never."""

    frames: float
    messages: float
    core: float
    late: Tally
    lost: int


def measure(_stage: Stage) -> Iterator[Figure]:
    with served(LIVE_TABS_PER_USER="5000") as site, Sampler(site.valkey.url, site.sandbox.hex) as sampler:
        with sampler.at_a_pace(FLUSHES_PER_S, count=2):
            frames = _capture(site)
            rounds = measured("fanout", ROUNDS, lambda _: _round(site, frames), spare=2)
        yield from _ratios(rounds, frames)
        with sampler.at_a_pace(MANY_FLUSHES_PER_S, count=2):
            many = measured("fanout, many", ROUNDS, lambda _: _of_ours(site, MANY), spare=2)
        yield from _many(many)


def _ratios(rounds: list[tuple[Taken, Taken, Taken]], frames: Frames) -> Iterator[Figure]:
    ours, raw, group = ([one[i] for one in rounds] for i in range(3))
    size = sum(len(text) for _, text in frames) // len(frames)
    each = f"{VIEWERS} viewers, {len(frames) / _CAPTURE_S:.0f} frames/s of {size} B"
    value, peer = middle(one.frames for one in ours), middle(one.frames for one in raw)
    yield Figure(
        bench="fan-out",
        value=value,
        worst=min(one.frames for one in ours),
        unit="frames/core-s",
        peer=peer,
        note=each,
    )
    for name, others, goal, note in (
        ("raw broadcast", raw, ">= 0.5", "frame for frame; ours come two to a message"),
        ("group_send", group, ">= 8", f"it used {middle(one.core for one in group):.2f} of a core"),
    ):
        ratios = [mine.frames / theirs.frames for mine, theirs in zip(ours, others, strict=True)]
        peer = middle(one.frames for one in others)
        yield Figure(
            bench=f"fan-out / {name}",
            value=middle(ratios),
            worst=min(ratios),
            unit="x",
            goal=goal,
            peer=peer,
            note=note,
        )
    ratios = [mine.messages / theirs.messages for mine, theirs in zip(ours, raw, strict=True)]
    note = "message for message, where ours are twice as long"
    yield Figure(
        bench="fan-out, messages / raw broadcast",
        value=middle(ratios),
        worst=min(ratios),
        unit="x",
        note=note,
    )


def _many(rounds: list[Taken]) -> Iterator[Figure]:
    lost = sum(one.lost for one in rounds)
    frames = 2 * MANY_FLUSHES_PER_S
    note = f"{frames:.0f} frames/s each, {lost} lost"
    cores = [one.core for one in rounds]
    yield Figure(
        bench=f"fan-out, {MANY} viewers",
        value=middle(cores),
        worst=max(cores),
        unit="of a core",
        goal="<= 0.25",
        note=note,
    )
    late = [one.late.late(0.99) for one in rounds]
    half = middle(one.late.late(0.5) for one in rounds)
    yield Figure(
        bench=f"fan-out, {MANY} viewers, frame made -> at the viewer, p99",
        value=middle(late),
        worst=max(late),
        unit="ms",
        goal="<= 150",
        note=f"p50 {half:.1f} ms; {note}",
    )


def _capture(site: Served) -> Frames:
    """What one viewer gets in a few seconds, with the waits between."""
    ear = LiveSocket(site.address, site.path, site.cookies["ada"])
    ear.say(**HELLO)
    until, frames, last = time.monotonic() + _SETTLE_S + _CAPTURE_S, [], 0.0
    while (now := time.monotonic()) < until:
        text = ear.hear(until - now)
        now = time.monotonic()
        if text and now > until - _CAPTURE_S and text.startswith((b'{"lane":"state"', b'{"lane":"records"')):
            frames.append((now - (last or now), text.decode()))
            last = now
    ear.cut()
    return frames


def _round(site: Served, frames: Frames) -> tuple[Taken, Taken, Taken]:
    ours = _of_ours(site, VIEWERS)
    with _peer("raw", frames) as (address, pid), crowd(VIEWERS, address, "/") as viewers:
        raw = _taken(viewers, pid)
    with _peer("group", frames) as (address, pid), crowd(VIEWERS, address, "/") as viewers:
        group = _taken(viewers, pid)
    return ours, raw, group


def _of_ours(site: Served, count: int, *, through: int = 0) -> Taken:
    cookie = site.cookies["ada"]
    with crowd(count, site.address, site.path, cookie=cookie, hello=HELLO, through=through) as viewers:
        return _taken(viewers, site.pid)


def _taken(viewers: Crowd, pid: int) -> Taken:
    time.sleep(_SETTLE_S)
    before, used = viewers.tally(), processes.cpu_s([pid])
    time.sleep(WINDOW_S)
    after, used = viewers.tally(), processes.cpu_s([pid]) - used
    frames, messages = after.texts - before.texts, after.messages - before.messages
    lost = after.gaps - before.gaps
    if after.closed:
        tell(f"fanout: {after.closed} viewers were closed")
    return Taken(frames=frames / used, messages=messages / used, core=used / WINDOW_S, late=after, lost=lost)


@contextlib.contextmanager
def _peer(kind: str, frames: Frames, *, extra_us: float = 0.0) -> Iterator[tuple[str, int]]:
    """A peer's address and process."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mr-peer-")))
        redis = stack.enter_context(running_valkey()).url if kind == "group" else ""
        port = free_port()
        path = folder / "script.json"
        path.write_text(json.dumps({"port": port, "redis": redis, "frames": frames}))
        order = [str(path), str(extra_us)]
        process = subprocess.Popen([sys.executable, "-m", "tests.bench.peers", kind, *order], cwd=ROOT)
        stack.callback(_end, process)
        _until_open(port)
        if kind == "group":
            sender = subprocess.Popen([sys.executable, "-m", "tests.bench.peers", "sender", *order], cwd=ROOT)
            stack.callback(_end, sender)
        yield f"http://127.0.0.1:{port}", process.pid


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _until_open(port: int) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.05)
    raise RuntimeError("a peer of the fan-out did not start")


def prove(_stage: Stage) -> Iterator[Proof]:
    """A broadcast that burns 50 us more for every delivery; a way to the viewers that takes longer."""
    extra_us, hold_ms = 50.0, 120.0
    frames = [(0.05, "x" * 400)] * 20
    costs = []
    for more in (0.0, extra_us):
        with _peer("raw", frames, extra_us=more) as (address, pid), crowd(150, address, "/") as viewers:
            costs.append(1e6 / _taken(viewers, pid).frames)
    yield Proof(
        what="fanout: more work for every delivery",
        put_in=extra_us,
        reported=costs[1] - costs[0],
        unit="us",
        within=0.15,
    )
    with (
        served(LIVE_TABS_PER_USER="5000") as site,
        Sampler(site.valkey.url, site.sandbox.hex) as sampler,
        sampler.at_a_pace(FLUSHES_PER_S),
    ):
        plain = _of_ours(site, 20).late.late(0.5)
        with slow_way(site.address, hold_ms / 1000) as port:
            slow = _of_ours(site, 20, through=port).late.late(0.5)
    yield Proof(
        what="fanout: a slow way to the viewers",
        put_in=hold_ms,
        reported=slow - plain,
        unit="ms",
        within=0.15,
    )
