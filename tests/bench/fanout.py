"""Deliveries per core-second of the web process, beside a bare broadcast and stock group_send."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench import processes
from tests.bench.crowd import ROOT, Crowd, crowd
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured, tell
from tests.bench.sockets import LiveSocket
from tests.bench.stage import Stage, Watched
from tests.bench.traffic import Traffic, make_topic
from tests.browser.site import free_port
from tests.live.valkey import running_valkey

TOPIC = "bench-fanout"
VIEWERS = 300
# group_send costs some fifteen times as much: as many viewers would only show that it cannot keep up.
GROUP_VIEWERS = 60
ROUNDS = 3
WINDOW_S = 4.0
_SETTLE_S = 1.0
_CAPTURE_S = 3.0

Frames = list[tuple[float, str]]


def measure(stage: Stage) -> Iterator[Figure]:
    watched = stage.watched
    make_topic(watched.endpoint, TOPIC)
    with Traffic(watched.endpoint, TOPIC) as _:
        frames = _capture(watched)
        taken = measured("fanout", ROUNDS, lambda _: _round(stage, watched, frames), spare=1)
    ours, raw, group = ([one[i] for one in taken] for i in range(3))
    size = sum(len(text) for _, text in frames) // len(frames)
    each = f"{VIEWERS} viewers, {len(frames) / _CAPTURE_S:.0f} frames/s of {size} B"
    yield Figure(
        bench="fan-out",
        value=middle(ours),
        worst=min(ours),
        unit="deliveries/core-s",
        peer=middle(raw),
        note=each,
    )
    for name, peer, goal in (("raw broadcast", raw, ">= 0.5"), ("group_send", group, ">= 8")):
        ratios = [mine / theirs for mine, theirs in zip(ours, peer, strict=True)]
        yield Figure(
            bench=f"fan-out / {name}",
            value=middle(ratios),
            worst=min(ratios),
            unit="x",
            goal=goal,
            peer=middle(peer),
            note="" if name == "raw broadcast" else f"{GROUP_VIEWERS} viewers of it",
        )


def _capture(watched: Watched) -> Frames:
    """What one viewer gets in a few seconds, with the waits between."""
    student = watched.student
    ear = LiveSocket(student.address, watched.path, student.cookie_header)
    ear.say(op="hello", view=[TOPIC], resume=None)
    until, frames, last = time.monotonic() + _SETTLE_S + _CAPTURE_S, [], 0.0
    while (now := time.monotonic()) < until:
        text = ear.hear(until - now)
        now = time.monotonic()
        if text and now > until - _CAPTURE_S and text.startswith((b'{"lane":"state"', b'{"lane":"records"')):
            frames.append((now - (last or now), text.decode()))
            last = now
    ear.cut()
    return frames


def _round(stage: Stage, watched: Watched, frames: Frames) -> tuple[float, float, float]:
    student = watched.student
    hello = {"op": "hello", "view": [TOPIC], "resume": None}
    with crowd(VIEWERS, student.address, watched.path, cookie=student.cookie_header, hello=hello) as viewers:
        ours = _per_core_s(viewers, stage.web_pid)
    with _peer("raw", frames) as (address, pid), crowd(VIEWERS, address, "/") as viewers:
        raw = _per_core_s(viewers, pid)
    with _peer("group", frames) as (address, pid), crowd(GROUP_VIEWERS, address, "/") as viewers:
        group = _per_core_s(viewers, pid)
    return ours, raw, group


def _per_core_s(viewers: Crowd, pid: int) -> float:
    time.sleep(_SETTLE_S)
    before, used = viewers.tally(), processes.cpu_s([pid])
    time.sleep(WINDOW_S)
    after, used = viewers.tally(), processes.cpu_s([pid]) - used
    if after["closed"] or after["gaps"] > before["gaps"]:
        tell(f"fanout: {after['closed']} viewers were closed, {after['gaps'] - before['gaps']} gaps")
    return (after["texts"] - before["texts"]) / used


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
    """A broadcast that burns 50 us more for every delivery."""
    extra_us = 50.0
    frames = [(0.05, "x" * 400)] * 20
    costs = []
    for more in (0.0, extra_us):
        with _peer("raw", frames, extra_us=more) as (address, pid), crowd(150, address, "/") as viewers:
            costs.append(1e6 / _per_core_s(viewers, pid))
    yield Proof(
        what="fanout: more work for every delivery",
        put_in=extra_us,
        reported=costs[1] - costs[0],
        unit="us",
        within=0.15,
    )
