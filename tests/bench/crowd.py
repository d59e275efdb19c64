"""Many websockets in processes of their own, counted: `Crowd` is the caller's side, `main` one process.

Reads without a library and looks at each frame only for its place and time, so that the crowd is cheap beside
what it measures. Acknowledges every two seconds, as the page does, when the server is ours.
"""

from __future__ import annotations

import json
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.bench.figures import percentile
from tests.bench.sockets import LiveSocket

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
_PLACE = re.compile(rb'"s":(\d+),"t":(\d+)')
_NUMBERED = (b'{"lane":"state"', b'{"lane":"records"', b'{"lane":"events"')
_ACK_S = 2.0
_LEAST_PER_PROCESS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Of all sockets so far: texts (frames) in messages; gaps in the sequence; sockets that were closed.

    late_ms: from the frame's own time to its arrival, of the frames since the last tally.
    """

    texts: int
    messages: int
    gaps: int
    closed: int
    late_ms: Sequence[float]

    def late(self, share: float) -> float:
        return percentile(self.late_ms, share)


class Crowd:
    """`count` sockets that are all connected."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    def tally(self) -> Tally:
        for process in self._processes:
            assert process.stdin
            process.stdin.write("tally\n")
            process.stdin.flush()
        told = [_line(process) for process in self._processes]
        sums = {name: sum(one[name] for one in told) for name in ("texts", "messages", "gaps", "closed")}
        return Tally(**sums, late_ms=[ms for one in told for ms in one["late_ms"]])


def _line(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout
    said: dict[str, Any] = json.loads(process.stdout.readline())
    return said


@contextmanager
def crowd(
    count: int,
    address: str,
    path: str,
    *,
    cookie: str = "",
    hello: dict[str, Any] | None = None,
    through: int = 0,
) -> Iterator[Crowd]:
    """hello: what each says first when the server is ours; through: another port that leads there."""
    share = max(_LEAST_PER_PROCESS, -(-count // PROCESSES))
    counts = [min(share, count - start) for start in range(0, count, share)]
    order = {"address": address, "path": path, "cookie": cookie, "hello": hello, "through": through}
    with ExitStack() as stack:
        processes = [stack.enter_context(_process()) for _ in counts]
        for process, some in zip(processes, counts, strict=True):
            assert process.stdin
            process.stdin.write(json.dumps(order | {"count": some}) + "\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "ready\n", "the crowd could not connect"
        yield Crowd(processes)


@contextmanager
def _process() -> Iterator[subprocess.Popen[str]]:
    argv = [sys.executable, "-m", "tests.bench.crowd"]
    with subprocess.Popen(
        argv, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        try:
            yield process
        finally:
            process.kill()


class _Seat:
    """One socket and what it has seen."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.socket = LiveSocket(order["address"], order["path"], order["cookie"], through=order["through"])
        self.hello = order["hello"]
        if self.hello:
            self.socket.say(**self.hello)
        self.texts = self.gaps = self.seq = 0

    def read(self, late_ms: list[float]) -> None:
        self.socket.take_in()
        now_ms = time.time() * 1000
        for text in self.socket.texts():
            self.texts += 1
            if self.hello:
                self._follow(text, now_ms, late_ms)

    def _follow(self, text: bytes, now_ms: float, late_ms: list[float]) -> None:
        found = _PLACE.search(text, 0, 200)
        if found is None:
            return
        seq = int(found.group(1))
        if text.startswith(_NUMBERED):
            self.gaps += seq != self.seq + 1
            late_ms.append(now_ms - int(found.group(2)))
        self.seq = seq


def main() -> None:
    order = json.loads(sys.stdin.readline())
    seats = [_Seat(order) for _ in range(order["count"])]
    events = selectors.DefaultSelector()
    for seat in seats:
        events.register(seat.socket, selectors.EVENT_READ, seat)
    events.register(sys.stdin, selectors.EVENT_READ)
    print("ready", flush=True)
    closed, acked_at = 0, time.monotonic()
    late_ms: list[float] = []
    while True:
        for key, _ in events.select(0.2):
            if key.data is None:
                if not sys.stdin.readline():
                    return
                _tell(seats, closed, late_ms)
                late_ms = []
                continue
            try:
                key.data.read(late_ms)
            except Exception:  # noqa: BLE001 - closed, reset, whatever: it is counted
                events.unregister(key.fileobj)
                closed += 1
        if order["hello"] and time.monotonic() - acked_at > _ACK_S:
            acked_at = time.monotonic()
            _acknowledge(seats)


def _acknowledge(seats: list[_Seat]) -> None:
    for seat in seats:
        if seat.seq:
            with suppress(OSError):  # closed: the reading side counts it
                seat.socket.say(op="ack", seq=seat.seq)


def _tell(seats: list[_Seat], closed: int, late_ms: list[float]) -> None:
    found = {name: sum(getattr(seat, name) for seat in seats) for name in ("texts", "gaps")}
    messages = sum(seat.socket.messages for seat in seats)
    rounded = [round(ms, 1) for ms in late_ms]
    print(json.dumps(found | {"messages": messages, "closed": closed, "late_ms": rounded}), flush=True)


if __name__ == "__main__":
    main()
