"""Things between a browser and the site, each named for how it fails."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable, Iterator

Pipe = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
_BLOCK = 65536
_QUIET_TURNS = 3
_ENDS = (OSError, asyncio.IncompleteReadError, asyncio.CancelledError)


class CuttingProxy:
    """Cuts websockets a moment after they were opened, and lets everything else through.

    cut_s: how long a websocket lives; is_cutting: whether it does so now; seen: what was asked, oldest first.
    """

    def __init__(self, port: int, *, cut_s: float = 0.2) -> None:
        self.cut_s = cut_s
        self.is_cutting = True
        self.seen: list[str] = []
        self._target = port
        # A loop knows its tasks weakly: one that waits for ever is collected once its browser has gone.
        self._serving: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, one request: the site is asked to close after it."""
        serving = asyncio.create_task(self._serve(reader, writer))
        self._serving.add(serving)
        serving.add_done_callback(self._serving.discard)
        await serving

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer), contextlib.suppress(*_ENDS):
            head = await reader.readuntil(b"\r\n\r\n")
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", self._target)
            with contextlib.closing(up_writer):
                back = self._pass_on(head, up_writer)
                forth = asyncio.create_task(_quietly(pipe(reader, up_writer)))
                try:
                    await back(up_reader, writer)
                finally:
                    forth.cancel()

    def _pass_on(self, head: bytes, writer: asyncio.StreamWriter) -> Pipe:
        """Ask the site; what to do with its answer."""
        line, _, rest = head.partition(b"\r\n")
        self.seen.append(line.decode("latin-1").rpartition(" ")[0])
        if b"upgrade: websocket" in rest.lower():
            writer.write(head)
            return self.websocket
        lines = [one for one in rest.split(b"\r\n") if not one.lower().startswith(b"connection:")]
        writer.write(b"\r\n".join([line, b"Connection: close", *lines]))
        return self.stream if b"/events/" in line else pipe

    async def websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the site says on a websocket."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.cut_s if self.is_cutting else None):
                await pipe(reader, writer)

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """What the site says on an event stream."""
        await pipe(reader, writer)


class IdleCuttingProxy(CuttingProxy):
    """Cuts a websocket on which the site has said nothing for `idle_s` seconds."""

    def __init__(self, port: int, *, idle_s: float) -> None:
        super().__init__(port)
        self.idle_s = idle_s

    async def websocket(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(TimeoutError):
            while data := await asyncio.wait_for(reader.read(_BLOCK), self.idle_s):
                writer.write(data)
                await writer.drain()


class HoldingProxy(CuttingProxy):
    """Cuts websockets, and holds event streams back until they have ended, as one does that scans answers."""

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held = bytearray()
        while data := await reader.read(_BLOCK):
            held += data
        writer.write(held)
        await writer.drain()


class LumpingProxy(CuttingProxy):
    """Cuts websockets, and passes event streams on in lumps of `hold_s` seconds."""

    hold_s = 6.0

    async def stream(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):  # head and first words at once: it looks as if it worked
            writer.write(await reader.read(_BLOCK))
        lump = bytearray()

        async def collect() -> None:
            while data := await reader.read(_BLOCK):
                lump.extend(data)

        collecting = asyncio.create_task(collect())
        try:
            while not collecting.done():
                await asyncio.sleep(self.hold_s)
                writer.write(bytes(lump))
                lump.clear()
                await writer.drain()
        finally:
            collecting.cancel()


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_BLOCK):
        writer.write(data)
        await writer.drain()


async def _quietly(run: Awaitable[None]) -> None:
    with contextlib.suppress(OSError):
        await run


@contextlib.contextmanager
def running(proxy: CuttingProxy) -> Iterator[str]:
    """The address of a proxy that runs in a thread of its own: in the caller's may be Playwright's loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=_run, args=(loop,))
    thread.start()
    starting = asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(starting, loop).result(10)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()


def _run(loop: asyncio.AbstractEventLoop) -> None:
    """Until it is stopped, and then what was accepted in its very last turns."""
    loop.run_forever()
    for _ in range(_QUIET_TURNS):
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.wait([*left, loop.create_task(asyncio.sleep(0.05))]))
    loop.close()


async def _end(server: asyncio.Server) -> None:
    """Until nothing is left: what was accepted last begins only in a turn after this."""
    server.close()
    mine, quiet = asyncio.current_task(), 0
    while quiet < _QUIET_TURNS:
        left = [task for task in asyncio.all_tasks() if task is not mine]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports close in the turn after
        quiet = 0 if left else quiet + 1
