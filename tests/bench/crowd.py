"""Many websockets in a process of their own, counted: `Crowd` is the caller's side, `main` the process.

Reads without a library and looks at each frame only for its sequence, so that the crowd is cheap beside what
it measures. Acknowledges once a second, as the page does, when the server is ours.
"""

from __future__ import annotations

import json
import re
import selectors
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.sockets import LiveSocket

ROOT = Path(__file__).resolve().parents[2]
_SEQ = re.compile(rb'"s":(\d+)')
_ACK_S = 1.0


class Crowd:
    """`count` sockets that are all connected."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tally(self) -> dict[str, int]:
        """Texts and bytes received so far, gaps and closed sockets seen so far."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write("tally\n")
        self._process.stdin.flush()
        said: dict[str, int] = json.loads(self._process.stdout.readline())
        return said


@contextmanager
def crowd(
    count: int, address: str, path: str, *, cookie: str = "", hello: dict[str, Any] | None = None
) -> Iterator[Crowd]:
    """hello: what each says first when the server is ours."""
    order = {"count": count, "address": address, "path": path, "cookie": cookie, "hello": hello}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.crowd"],
        cwd=ROOT,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            assert process.stdout.readline() == "ready\n", "the crowd could not connect"
            yield Crowd(process)
        finally:
            process.kill()


class _Seat:
    """One socket and what it has seen."""

    def __init__(self, order: dict[str, Any]) -> None:
        self.socket = LiveSocket(order["address"], order["path"], order["cookie"])
        self.hello = order["hello"]
        if self.hello:
            self.socket.say(**self.hello)
        self.texts = self.bytes = self.gaps = self.seq = 0

    def read(self) -> None:
        self.socket.take_in()
        for text in self.socket.texts():
            self.texts += 1
            self.bytes += len(text)
            if self.hello:
                self._follow(text)

    def _follow(self, text: bytes) -> None:
        found = _SEQ.search(text, 0, 200)
        if found is None:
            return
        seq = int(found.group(1))
        is_numbered = text.startswith((b'{"lane":"state"', b'{"lane":"records"', b'{"lane":"events"'))
        self.gaps += is_numbered and seq != self.seq + 1
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
    while True:
        for key, _ in events.select(0.2):
            if key.data is None:
                if not sys.stdin.readline():
                    return
                _tell(seats, closed)
                continue
            try:
                key.data.read()
            except Exception:  # noqa: BLE001 - closed, reset, whatever: it is counted
                events.unregister(key.fileobj)
                closed += 1
        if order["hello"] and time.monotonic() - acked_at > _ACK_S:
            acked_at = time.monotonic()
            _acknowledge(seats)


def _acknowledge(seats: list[_Seat]) -> None:
    for seat in seats:
        if seat.seq:
            seat.socket.say(op="ack", seq=seat.seq)


def _tell(seats: list[_Seat], closed: int) -> None:
    found = {name: sum(getattr(seat, name) for seat in seats) for name in ("texts", "bytes", "gaps")}
    print(json.dumps(found | {"closed": closed}), flush=True)


if __name__ == "__main__":
    main()
