"""The relays of one sandbox: for each broker one for the platform and one for the student's clients."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

from sandboxes.backends.local.kafka import Node
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperLink, KeeperRefused
from sandboxes.backends.local.relay import Dial, Mode, Relay, listen

_DIAL_S = 1.0


class Doors:
    """Open with `open`; the faults of the deck are modes of the students' doors only."""

    def __init__(self, address: str, link: Callable[[], KeeperLink | None]) -> None:
        self._address, self._link = address, link
        self._platform: dict[int, Relay] = {}
        self._student: dict[int, Relay] = {}

    async def open(self, nodes: Sequence[Node]) -> None:
        """Open what is not open yet; raises OSError when the address is taken, KeeperGone."""
        link = self._link()
        if link is None:
            raise KeeperGone("no keeper")
        for node in nodes:
            if node.node_id not in self._platform:
                door = listen(self._address, node.platform_port)
                self._platform[node.node_id] = Relay(door, self._dial(node.platform_port))
            if node.node_id not in self._student:
                _, given = await link.ask({"op": "listen", "port": node.advertised_port})
                if given is None:
                    raise KeeperRefused("no door came")
                self._student[node.node_id] = Relay(given, self._dial(node.client_port))

    def set_mode(self, node_id: int, mode: Mode) -> None:
        if relay := self._student.get(node_id):
            relay.set_mode(mode)

    async def close(self) -> None:
        relays = [*self._platform.values(), *self._student.values()]
        self._platform, self._student = {}, {}
        await asyncio.gather(*(relay.close() for relay in relays))

    def _dial(self, port: int) -> Dial:
        """Connect to a port in the sandbox: the keeper starts it, we wait for it."""

        async def dial() -> socket.socket:
            link = self._link()
            if link is None:
                raise ConnectionRefusedError
            try:
                _, line = await link.ask({"op": "connect", "port": port})
            except (KeeperGone, KeeperRefused) as error:
                raise ConnectionRefusedError from error
            if line is None:
                raise ConnectionRefusedError
            try:
                await _connected(line)
            except BaseException:
                line.close()
                raise
            return line

        return dial


async def _connected(line: socket.socket) -> None:
    """Wait until a connecting socket is connected; raises OSError when it was refused or takes too long."""
    loop = asyncio.get_running_loop()
    line.setblocking(False)
    ready = asyncio.Event()
    loop.add_writer(line.fileno(), ready.set)
    try:
        async with asyncio.timeout(_DIAL_S):
            await ready.wait()
    except TimeoutError as error:
        raise ConnectionRefusedError("took too long") from error
    finally:
        loop.remove_writer(line.fileno())
    if code := line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
        raise OSError(code, "connect")
