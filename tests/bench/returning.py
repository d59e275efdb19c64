"""Pages that come back by themselves, in processes of their own.

They wait before they try again as static/js/socket.js does, say where they were, and keep an account of what
they were told.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tests.bench.crowd import PROCESSES, ROOT
from tests.bench.sockets import handshake, masked, pong

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 8.0
_AT_ONCE = 100
_ACK_S = 2.0
_HANDSHAKE_S = 10.0
_BUFFER = 1024 * 1024
_ENDS = (OSError, TimeoutError, EOFError)


@dataclass(slots=True, kw_only=True)
class Standing:
    """Of all pages: how many are connected, are at or beyond a place; gaps, snapshots and cuts so far."""

    connected: int = 0
    current: int = 0
    gaps: int = 0
    snaps: int = 0
    cuts: int = 0


_TEXT, _CLOSE, _PING = 1, 8, 9
_SIZES = {126: 2, 127: 8}


class Pages:
    """Addresses and cookies of pages that are open."""

    def __init__(self, processes: Sequence[subprocess.Popen[str]]) -> None:
        self._processes = processes

    @property
    def pids(self) -> list[int]:
        return [process.pid for process in self._processes]

    def standing(self, place: dict[str, Any]) -> Standing:
        """Against a place in the sequence."""
        for process in self._processes:
            assert process.stdin
            process.stdin.write(json.dumps(place) + "\n")
            process.stdin.flush()
        found = Standing()
        for process in self._processes:
            assert process.stdout
            for name, value in json.loads(process.stdout.readline()).items():
                setattr(found, name, getattr(found, name) + value)
        return found


@contextlib.contextmanager
def pages(address: str, tabs: Sequence[tuple[str, str]], topic: str = "orders") -> Iterator[Pages]:
    """tabs: path of the live socket and Cookie header, of each."""
    with contextlib.ExitStack() as stack:
        processes = []
        for number in range(PROCESSES):
            argv = [sys.executable, "-m", "tests.bench.returning"]
            process = subprocess.Popen(
                argv, cwd=ROOT, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
            stack.enter_context(process)
            stack.callback(process.kill)
            order = {"address": address, "tabs": tabs[number::PROCESSES], "topic": topic}
            assert process.stdin
            process.stdin.write(json.dumps(order) + "\n")
            process.stdin.flush()
            processes.append(process)
        yield Pages(processes)


class _Page:
    """One tab: where it stands and what it has seen."""

    def __init__(self, address: str, path: str, cookie: str, topic: str) -> None:
        self._host, _, port = address.removeprefix("http://").partition(":")
        self._port, self._path, self._cookie, self._topic = int(port), path, cookie, topic
        self.epoch, self.seq = "", 0
        self.is_connected = False
        self.gaps = self.snaps = self.cuts = 0
        self._attempt = 0

    async def live(self, doors: asyncio.Semaphore) -> None:
        while True:
            with contextlib.suppress(*_ENDS):
                await self._visit(doors)
            self.cuts += self.is_connected
            self.is_connected = False
            self._attempt += 1
            full = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2 ** (self._attempt - 1))
            await asyncio.sleep(full / 2 + random.random() * full / 2)

    async def _visit(self, doors: asyncio.Semaphore) -> None:
        async with doors, asyncio.timeout(_HANDSHAKE_S):
            reader, writer = await asyncio.open_connection(self._host, self._port, limit=_BUFFER)
            writer.write(handshake(f"{self._host}:{self._port}", self._path, self._cookie))
            head = await reader.readuntil(b"\r\n\r\n")
        with contextlib.closing(writer):
            if b" 101 " not in head.partition(b"\r\n")[0]:
                return
            resume = {"epoch": self.epoch, "seq": self.seq} if self.epoch else None
            writer.write(masked(op="hello", view=[self._topic], resume=resume))
            self.is_connected = True
            acking = asyncio.create_task(self._acknowledge(writer))
            try:
                while (text := await _text(reader, writer)) is not None:
                    for one in text.split(b"\n"):
                        self._take(json.loads(one))
            finally:
                acking.cancel()

    async def _acknowledge(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(_ACK_S)
            writer.write(masked(op="ack", seq=self.seq))

    def _take(self, frame: dict[str, Any]) -> None:
        lane = frame["lane"]
        if lane == "snap" or (lane == "hello" and frame["resumed"]):
            self.snaps += lane == "snap"
            self.epoch, self.seq, self._attempt = frame["e"], frame["s"], 0
        elif lane in {"state", "events", "records", "skip"} and frame["e"] == self.epoch:
            self.gaps += frame.get("from", frame["s"]) != self.seq + 1
            self.seq = frame["s"]


async def _text(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes | None:
    """The next text; None when the server closes. Pings are answered, as every browser does."""
    while True:
        first, size = await reader.readexactly(2)
        if size in _SIZES:
            size = int.from_bytes(await reader.readexactly(_SIZES[size]), "big")
        data = await reader.readexactly(size)
        if first & 0x0F == _CLOSE:
            return None
        if first & 0x0F == _TEXT:
            return data
        if first & 0x0F == _PING:
            writer.write(pong(data))


async def _run(order: dict[str, Any]) -> None:
    doors = asyncio.Semaphore(_AT_ONCE)
    mine = [_Page(order["address"], path, cookie, order["topic"]) for path, cookie in order["tabs"]]
    living = [asyncio.create_task(page.live(doors)) for page in mine]
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        place = json.loads(line)
        found = Standing(
            connected=sum(page.is_connected for page in mine),
            current=sum(page.epoch == place["epoch"] and page.seq >= place["seq"] for page in mine),
            gaps=sum(page.gaps for page in mine),
            snaps=sum(page.snaps for page in mine),
            cuts=sum(page.cuts for page in mine),
        )
        print(json.dumps(asdict(found)), flush=True)
    for task in living:
        task.cancel()


if __name__ == "__main__":
    asyncio.run(_run(json.loads(sys.stdin.readline())))
