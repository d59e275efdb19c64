"""Connections that no healthy browser has, each named for what is wrong with it."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.bench.returning import Pages
from tests.bench.sockets import handshake, masked

_EVERY_S = 1.0
_ROOM = 4096
HELLO = masked(op="hello", view=["orders"], resume=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a line goes: the site's port, a path, and whose cookie."""

    port: int
    path: str
    cookie: str

    @property
    def websocket(self) -> bytes:
        return handshake(f"127.0.0.1:{self.port}", self.path, self.cookie)

    def request(self, head: str, **headers: str) -> bytes:
        lines = [f"{head} HTTP/1.1", f"Host: 127.0.0.1:{self.port}", f"Cookie: {self.cookie}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return "\r\n".join([*lines, "", ""]).encode()


class Line:
    """One connection with little room; `port` is our end of it."""

    def __init__(self, door: Door) -> None:
        self.wire = socket.socket()
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _ROOM)
        self.wire.settimeout(10)
        self.wire.connect(("127.0.0.1", door.port))
        self.port: int = self.wire.getsockname()[1]
        self._over = threading.Event()
        self._threads: list[threading.Thread] = []

    def say(self, data: bytes) -> None:
        self.wire.sendall(data)

    def accepted(self) -> None:
        """Until the answer to a handshake or the head of an answer is here."""
        head = b""
        while b"\r\n\r\n" not in head:
            more = self.wire.recv(1)
            assert more, head
            head += more
        status = head.split(b" ")[1]
        assert status in {b"101", b"200"}, head

    def slowly(self, step: Callable[[], object]) -> None:
        """Do it once a second, for as long as there is a connection."""

        def work() -> None:
            with contextlib.suppress(OSError):
                while not self._over.wait(_EVERY_S):
                    step()

        thread = threading.Thread(target=work)
        thread.start()
        self._threads.append(thread)

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()
        self.wire.close()


# -- what is wrong with them -------------------------------------------------------------------------------


def reads_one_byte_a_second(door: Door) -> Line:
    line = never_reads(door)
    line.slowly(lambda: line.wire.recv(1))
    return line


def opened_and_left(door: Door) -> Line:
    line = Line(door)
    line.say(door.websocket)
    line.accepted()
    return line


def never_reads(door: Door) -> Line:
    line = opened_and_left(door)
    line.say(HELLO)
    return line


def never_reads_a_stream(door: Door) -> Line:
    line = Line(door)
    line.say(door.request(f"GET {door.path}"))
    line.accepted()
    return line


def writes_its_request_by_the_byte(door: Door) -> Line:
    line = Line(door)
    _trickle(line, door.websocket)
    return line


def writes_its_form_by_the_byte(door: Door) -> Line:
    line = Line(door)
    kind = {"Content_Type": "application/x-www-form-urlencoded", "Content_Length": "2000"}
    line.say(door.request("POST /accounts/login/", **kind))
    _trickle(line, b"x" * 2000)
    return line


def writes_its_operation_by_the_byte(door: Door) -> Line:
    line = opened_and_left(door)
    _trickle(line, masked(op="hello", view=["x" * 200] * 10, resume=None))
    return line


def says_nothing(door: Door) -> Line:
    return Line(door)


def _trickle(line: Line, data: bytes) -> None:
    left = iter(data)
    line.slowly(lambda: line.say(bytes([next(left)])))


@contextlib.contextmanager
def asleep(*pages: Pages) -> Iterator[None]:
    """Pages whose machine sleeps: their processes are stopped, and wake at the end."""
    pids = [pid for some in pages for pid in some.pids]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
