"""Many browsers that press the buttons of their panels, each on lines of its own, all from one loop.

Cheap beside what it measures: requests are made up beforehand, and an answer is only cut up when it is asked.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

_TOKEN = "a" * 32  # cookie and header carry the same secret, which is all that the site compares
_PANEL = re.compile(r'data-sandbox="([^"]*)"\s+data-state="([^"]*)"')
_IDLE = re.compile(r'data-idle="(?:place (\d+), |about )(\d+) s"')
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one press led to. took_s: from the first byte sent to the last one read."""

    status: int
    headers: Mapping[str, str]
    text: str
    took_s: float

    @property
    def sandbox(self) -> str:
        """The id in hex that the panel shows; "" for none."""
        return self._panel[0].replace("-", "")

    @property
    def state(self) -> str:
        return self._panel[1]

    @property
    def _panel(self) -> tuple[str, str]:
        found = _PANEL.search(self.text)
        assert found, f"{self.status}: {self.text[:500]}"
        return found.group(1), found.group(2)

    @property
    def place(self) -> int | None:
        """The place in the queue that the panel shows; None where nobody waits for a place."""
        found = _IDLE.search(self.text)
        return int(found.group(1)) if found and found.group(1) else None

    @property
    def wait_s(self) -> int | None:
        """The wait that the panel shows, whole seconds."""
        found = _IDLE.search(self.text)
        return int(found.group(2)) if found else None


class Line:
    """One tab's connection, kept open, as a browser keeps it."""

    def __init__(self, address: str, session: str, *, through: int = 0) -> None:
        """through: another port that leads to the same site."""
        self._place = urlsplit(address)
        self._port = through or self._place.port
        cookie = f"millrace-session={session}; millrace-csrf={_TOKEN}"
        self._head = (
            f"Host: {self._place.netloc}\r\nCookie: {cookie}\r\nX-CSRFToken: {_TOKEN}\r\n"
            f"Referer: {address}/\r\nHX-Request: true\r\nContent-Length: 0\r\n\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def open(self) -> None:
        self._streams = await asyncio.open_connection(self._place.hostname, self._port)

    async def press(self, button: str) -> Answer:
        return await self.ask(f"POST /sandbox/{button}/")

    async def ask(self, what: str) -> Answer:
        """what: method and path."""
        assert self._streams
        reader, writer = self._streams
        began = time.monotonic()
        writer.write(f"{what} HTTP/1.1\r\n{self._head}".encode())
        async with asyncio.timeout(_PATIENCE_S):
            head = await reader.readuntil(b"\r\n\r\n")
            length = _LENGTH.search(head)
            body = await reader.readexactly(int(length.group(1))) if length else b""
        took_s = time.monotonic() - began
        first, *lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        return Answer(status=int(first.split()[1]), headers=headers, text=body.decode(), took_s=took_s)

    async def close(self) -> None:
        if self._streams:
            self._streams[1].close()
            await self._streams[1].wait_closed()


@asynccontextmanager
async def lines(address: str, sessions: Sequence[str], *, through: int = 0) -> AsyncIterator[Sequence[Line]]:
    """One for each session, all open."""
    opened = [Line(address, session, through=through) for session in sessions]
    try:
        for line in opened:
            await line.open()
        yield opened
    finally:
        for line in opened:
            await line.close()


def all_press(
    address: str,
    sessions: Sequence[str],
    *,
    moments: Sequence[float] = (),
    button: str = "start",
    through: int = 0,
) -> list[Answer]:
    """Each presses once, in the order of `sessions`. moments: seconds from now; none: all at once."""
    return asyncio.run(_all_press(address, sessions, moments or [0.0] * len(sessions), button, through))


async def _all_press(
    address: str, sessions: Sequence[str], moments: Sequence[float], button: str, through: int
) -> list[Answer]:
    async with lines(address, sessions, through=through) as opened:
        began = time.monotonic()

        async def one(line: Line, moment: float) -> Answer:
            await asyncio.sleep(began + moment - time.monotonic())
            return await line.press(button)

        return await asyncio.gather(*map(one, opened, moments))
