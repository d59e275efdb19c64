"""A second door to a sandbox's broker that is slammed, for all who use it, in the middle of questions."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import replace

from sandboxes.backends.base import KafkaEndpoint

# OffsetFetch, FindCoordinator, DescribeGroups, DeleteGroups, ConsumerGroupDescribe
OF_GROUPS = frozenset({9, 10, 15, 42, 69})
_BLOCK = 65536


class CuttingDoor:
    """every: at each such question about a group all connections go; in turn before and after it is sent on.

    It stands at another address of the same length, so that the broker seems to advertise it: a client that
    goes by what is advertised stays with it.
    """

    def __init__(self, endpoint: KafkaEndpoint, *, every: int) -> None:
        host, _, port = endpoint.bootstrap_servers.rpartition(":")
        self._there, self._port = host, int(port)
        self._here = host[:-1] + ("8" if host[-1] != "8" else "9")
        self.endpoint = replace(endpoint, bootstrap_servers=f"{self._here}:{port}")
        self._every = every
        self._asked = 0
        self._open: set[asyncio.StreamWriter] = set()
        self.cuts = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            broker_reader, broker_writer = await asyncio.open_connection(self._there, self._port)
            self._open |= {writer, broker_writer}
            back = asyncio.create_task(self._answers(broker_reader, writer))
            try:
                await self._questions(reader, broker_writer)
            finally:
                back.cancel()
                for one in (writer, broker_writer):
                    one.transport.abort()
                    self._open.discard(one)

    async def _questions(self, reader: asyncio.StreamReader, broker: asyncio.StreamWriter) -> None:
        while True:
            size = await reader.readexactly(4)
            question = await reader.readexactly(int.from_bytes(size, "big"))
            is_cut = self._is_cut(int.from_bytes(question[:2], "big"))
            if is_cut and self.cuts % 2:
                self._cut()
            broker.write(size + question)
            await broker.drain()
            if is_cut:
                self._cut()

    async def _answers(self, broker: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while block := await broker.read(_BLOCK):
                writer.write(block.replace(self._there.encode(), self._here.encode()))
                await writer.drain()

    def _is_cut(self, key: int) -> bool:
        self._asked += key in OF_GROUPS
        return key in OF_GROUPS and self._asked % self._every == 0

    def _cut(self) -> None:
        self.cuts += 1
        for one in self._open:
            one.transport.abort()


@contextlib.contextmanager
def cutting(endpoint: KafkaEndpoint, *, every: int) -> Iterator[CuttingDoor]:
    """Such a door, open in a thread of its own."""
    door, loop = CuttingDoor(endpoint, every=every), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    host, _, port = door.endpoint.bootstrap_servers.rpartition(":")
    opening = asyncio.run_coroutine_threadsafe(asyncio.start_server(door.serve, host, int(port)), loop)
    server = opening.result(10)
    try:
        yield door
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    server.close()
    mine = asyncio.current_task()
    while left := [task for task in asyncio.all_tasks() if task is not mine]:
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
