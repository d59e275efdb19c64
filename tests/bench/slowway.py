"""A delay put in on purpose, to see whether a meter reports it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def slow_way(address: str, hold_s: float) -> Iterator[int]:
    """A port that leads to the site and holds every byte of its answers for a while."""
    loop = asyncio.new_event_loop()
    target = int(address.rpartition(":")[2])

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, held: float) -> None:
        while data := await reader.read(65536):
            loop.call_later(held, writer.write, data)
        loop.call_later(held, writer.close)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target)
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await asyncio.gather(pass_on(reader, back, 0), pass_on(there, writer, hold_s))

    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(accept, "127.0.0.1", 0), loop)
    server = starting.result(10)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(_end(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _end(server: asyncio.Server) -> None:
    """Whoever is still on the way is let go."""
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
