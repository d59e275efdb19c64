"""A websocket client small enough to count with: no library's cost in what is measured (RFC 6455)."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

_TEXT, _CLOSE, _PING, _PONG = 1, 8, 9, 10


class Closed(Exception):
    """The server closed or is gone."""


def handshake(host: str, path: str, cookie: str) -> bytes:
    """The request that opens a websocket, as a page of ours sends it."""
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [
        f"GET {path} HTTP/1.1",
        f"Host: {host}",
        f"Origin: http://{host}",
        f"Cookie: {cookie}",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        f"Sec-WebSocket-Key: {key}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def masked(**op: Any) -> bytes:
    """An operation as one masked text frame; ours are all shorter than 64 KiB."""
    return _masked(_TEXT, json.dumps(op).encode())


def pong(data: bytes) -> bytes:
    """The answer to a ping that held these bytes."""
    return _masked(_PONG, data)


def _masked(opcode: int, data: bytes) -> bytes:
    mask = os.urandom(4)
    size = bytes([0x80 | len(data)]) if len(data) < 126 else struct.pack(">BH", 0x80 | 126, len(data))
    return bytes([0x80 | opcode]) + size + mask + bytes(byte ^ mask[i & 3] for i, byte in enumerate(data))


class LiveSocket:
    """One connection. The reading half keeps what came too early or only in part."""

    def __init__(self, address: str, path: str, cookie: str = "", *, through: int = 0, room: int = 0) -> None:
        """address: of the site, e.g. http://127.0.0.1:8100; through: another port that leads there; room:
        bytes that the kernel keeps for us.
        """
        parts = urlsplit(address)
        self.wire = socket.socket()
        if room:
            self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room)
        self.wire.settimeout(10)
        self.wire.connect((parts.hostname or "", through or parts.port or 80))
        self.wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._lines: deque[bytes] = deque()
        self.messages = 0
        self._shake_hands(parts.netloc, path, cookie)

    def _shake_hands(self, host: str, path: str, cookie: str) -> None:
        self.wire.sendall(handshake(host, path, cookie))
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, _, rest = bytes(self._buffer).partition(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise Closed(head.decode(errors="replace")[:200])
        self._buffer = bytearray(rest)

    def fileno(self) -> int:
        return self.wire.fileno()

    def say(self, **op: Any) -> None:
        self.wire.sendall(masked(**op))

    def hear(self, timeout_s: float = 10.0) -> bytes | None:
        """The next text; None when none comes in time."""
        until = time.monotonic() + timeout_s
        while True:
            for text in self.texts():
                return text
            left = until - time.monotonic()
            if left <= 0:
                return None
            self.wire.settimeout(left)
            try:
                self._fill()
            except TimeoutError:
                return None

    def texts(self) -> Iterator[bytes]:
        """Frames that are here already, taken out one by one; several may have come as lines of one text."""
        while True:
            while self._lines:
                yield self._lines.popleft()
            frame = self._take()
            if frame is None:
                return
            opcode, payload = frame
            if opcode == _CLOSE:
                raise Closed(f"closed with {int.from_bytes(payload[:2], 'big')}")
            if opcode == _PING:
                self.wire.sendall(pong(payload))
            if opcode == _TEXT:
                self.messages += 1
                self._lines.extend(payload.split(b"\n"))

    def take_in(self) -> None:
        """Read what the kernel has, when it has something."""
        self._fill()

    def cut(self) -> None:
        """Gone without a word, as a cable is pulled."""
        self.wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.wire.close()

    def _fill(self) -> None:
        data = self.wire.recv(262144)
        if not data:
            raise Closed("the connection ended")
        self._buffer += data

    def _take(self) -> tuple[int, bytes] | None:
        have = len(self._buffer)
        if have < 2:
            return None
        size, start = self._buffer[1] & 0x7F, 2
        if size == 126:
            start = 4
        elif size == 127:
            start = 10
        if have < start:
            return None
        if start > 2:
            size = int.from_bytes(self._buffer[2:start], "big")
        if have < start + size:
            return None
        payload = bytes(self._buffer[start : start + size])
        opcode = self._buffer[0] & 0x0F
        del self._buffer[: start + size]
        return opcode, payload
