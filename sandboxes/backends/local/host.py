"""The host daemon: owns this machine's sandboxes and answers their callers over a unix socket.

    python -m sandboxes.backends.local.host

Asks nothing of Django or the database. SIGTERM ends every sandbox cleanly, data kept; SIGHUP, or any harder
end, leaves them running for the next host, which takes them over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from config import logging as log_lines
from sandboxes.backends.local import tier, wire
from sandboxes.backends.local.desk import Desk
from sandboxes.backends.local.disks import Disks
from sandboxes.backends.local.population import Population
from sandboxes.backends.local.settings import HostSettings, Limits, from_installation
from sandboxes.backends.local.surroundings import look_around
from sandboxes.backends.local.vigil import Vigil

logger = logging.getLogger("sandboxes.host")


class Host:
    """Make it before the event loop starts a thread; then `run`."""

    def __init__(self, settings: HostSettings, limits: Limits | None = None) -> None:
        self._settings = settings
        self._around = look_around(settings, limits or Limits())
        self._population = Population(self._around)
        self._disks = Disks(self._population.everyone, self._around.limits)
        self._vigil = Vigil(self._population.everyone, self._around.limits)
        self._desk = Desk(self._around, self._population, self._disks)
        self._connections: set[asyncio.Task[None] | None] = set()  # the loop itself holds them weakly
        self._started = asyncio.Event()
        self._ended = asyncio.Event()
        self._keep = False

    async def run(self) -> None:
        """Serve until a signal ends it."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, False)
        loop.add_signal_handler(signal.SIGINT, self._end, False)
        loop.add_signal_handler(signal.SIGHUP, self._end, True)
        server = await asyncio.start_unix_server(
            self._serve, sock=_bind(self._settings.socket), limit=wire.LINE_BYTES
        )
        async with server:
            await self._start()
            looking = [asyncio.create_task(look()) for look in (self._disks.run, self._vigil.run)]
            await self._ended.wait()
            for task in looking:
                task.cancel()
        await self._stop()

    async def _start(self) -> None:
        self._population.remember()
        found = await tier.find_out(self._around, self._settings.sandbox_dir, self._population.numbers)
        self._desk.found = found
        await asyncio.gather(*(one.adopt() for one in self._population.everyone()))
        self._started.set()
        count = len(self._population.everyone())
        logger.info("host.started", extra={"tier": found.tier.value, "sandboxes": count})

    def _end(self, keep: bool) -> None:
        self._keep = keep
        self._ended.set()

    async def _stop(self) -> None:
        logger.info("host.ending", extra={"keep": self._keep})
        everyone = list(self._population.everyone())
        await asyncio.gather(*(one.let_go() if self._keep else one.stop_with_site() for one in everyone))
        self._settings.socket.unlink(missing_ok=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            while said := await reader.readline():
                request = json.loads(said)
                await self._started.wait()
                if request["op"] == "follow":
                    await _until_hung_up(reader, self._desk.follow(request, writer))
                    return
                with log_lines.bound_contextvars(sandbox=request.get("sandbox_id", "")):
                    writer.write(wire.line(await self._desk.answer(request)))
                await writer.drain()
        except (OSError, ValueError, KeyError, TypeError):
            pass  # a client that breaks off or does not speak our language
        except asyncio.CancelledError:
            pass  # the host ends; Python 3.11's streams log a traceback for a handler that ends cancelled
        finally:
            self._connections.discard(task)
            writer.close()


async def _until_hung_up(reader: asyncio.StreamReader, sending: Coroutine[Any, Any, None]) -> None:
    """Send until done or until the client, which has nothing more to say, goes away."""
    tasks = [asyncio.create_task(sending), asyncio.create_task(reader.read())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _bind(path: Path) -> socket.socket:
    """Our socket, for our user only; takes the place of one that nobody answers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(OSError):
        line.connect(str(path))
        raise SystemExit("Another sandbox host is running here.")
    line.close()
    path.unlink(missing_ok=True)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.bind(str(path))
    path.chmod(0o600)
    return line


def main(settings: HostSettings | None = None, limits: Limits | None = None) -> None:
    log_lines.configure()
    os.umask(0o077)

    async def run() -> None:
        await Host(settings or from_installation(), limits).run()

    asyncio.run(run())


if __name__ == "__main__":
    main()
