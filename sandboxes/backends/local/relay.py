"""Moves bytes between a listening socket and a port inside a sandbox, and can do it badly on purpose.

One relay stands before each broker for the platform (host side) and one for the student's clients (its door
is inside the sandbox). Faults live here, on the host, not next to untrusted code. Buffers are bounded: a
reader that stops stops its writer.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

CHUNK = 65536
DELAYED_CHUNKS = 32
CONNECTIONS = 256
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s

Dial = Callable[[], Awaitable[socket.socket]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """How a relay behaves; the default is faithful.

    latency_ms: each response arrives this much later. cut: connections are reset, new ones too.
    drop_responses: requests arrive, their responses never do.
    """

    latency_ms: int = 0
    cut: bool = False
    drop_responses: bool = False


FAITHFUL = Mode()


class Relay:
    """Accepts on `door` and connects through `dial`, until `close`."""

    def __init__(self, door: socket.socket, dial: Dial) -> None:
        self._door, self._dial = door, dial
        self._mode = FAITHFUL
        self._lines: set[_Line] = set()
        self._task = asyncio.create_task(self._accept())

    @property
    def mode(self) -> Mode:
        return self._mode

    def set_mode(self, mode: Mode) -> None:
        """Change behaviour at once; a connection that lost bytes is reset, its stream cannot be mended."""
        self._mode = mode
        for line in list(self._lines):
            if mode.cut or (line.spoilt and not mode.drop_responses):
                line.reset()

    async def close(self) -> None:
        """Stop and reset all connections; the door is closed as well."""
        self._task.cancel()
        for line in list(self._lines):
            line.reset()
        await asyncio.gather(self._task, *(line.task for line in self._lines), return_exceptions=True)
        self._door.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        self._door.setblocking(False)
        while True:
            try:
                client, _ = await loop.sock_accept(self._door)
            except OSError:
                await asyncio.sleep(0.1)  # out of descriptors, or the peer left first: neither may end us
                continue
            if self._mode.cut or len(self._lines) >= CONNECTIONS:
                _reset(client)
                continue
            line = _Line(self, client)
            self._lines.add(line)
            line.task.add_done_callback(lambda _, line=line: self._lines.discard(line))  # type: ignore[misc]

    async def dial(self) -> socket.socket:
        return await self._dial()


class _Line:
    """One connection: two pumps, over when either end is."""

    def __init__(self, relay: Relay, client: socket.socket) -> None:
        self._relay = relay
        self._client = client
        self.spoilt = False
        self.task = asyncio.create_task(self._run())

    def reset(self) -> None:
        self.task.cancel()

    async def _run(self) -> None:
        server = None
        try:
            server = await self._relay.dial()
            for end in (self._client, server):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._pump(server)
        except (OSError, asyncio.CancelledError):
            _reset(self._client)
            if server:
                _reset(server)
        finally:
            self._client.close()
            if server:
                server.close()

    async def _pump(self, server: socket.socket) -> None:
        pumps = [
            asyncio.create_task(_copy(self._client, server)),
            asyncio.create_task(self._respond(server, self._client)),
        ]
        try:
            done, _ = await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
            for pump in done:
                pump.result()
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _respond(self, server: socket.socket, client: socket.socket) -> None:
        """Copy responses as the mode of the moment says; delayed ones keep their order."""
        loop = asyncio.get_running_loop()
        late: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(DELAYED_CHUNKS)
        writer: asyncio.Task[None] | None = None
        pending = [0]
        try:
            while chunk := await loop.sock_recv(server, CHUNK):
                mode = self._relay.mode
                if mode.drop_responses:
                    self.spoilt = True
                elif not mode.latency_ms and not pending[0]:
                    await loop.sock_sendall(client, chunk)
                else:
                    writer = writer or asyncio.create_task(_write_late(late, client, pending))
                    pending[0] += 1
                    await late.put((loop.time() + mode.latency_ms / 1000, chunk))
        finally:
            if writer:
                writer.cancel()


async def _copy(source: socket.socket, target: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    while chunk := await loop.sock_recv(source, CHUNK):
        await loop.sock_sendall(target, chunk)


async def _write_late(
    late: asyncio.Queue[tuple[float, bytes]], client: socket.socket, pending: list[int]
) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due, chunk = await late.get()
        await asyncio.sleep(due - loop.time())
        with contextlib.suppress(OSError):  # the pump that reads sees the end as well
            await loop.sock_sendall(client, chunk)
        pending[0] -= 1


def _reset(end: socket.socket) -> None:
    """Close so that the other side sees a reset, as with a cut cable's router, not a polite end."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    end.close()


def listen(address: str, port: int) -> socket.socket:
    """A listening socket on the host; raises OSError when somebody else has the address."""
    door = socket.socket()
    try:
        door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        door.bind((address, port))
        door.listen(128)
        door.setblocking(False)
    except OSError:
        door.close()
        raise
    return door
