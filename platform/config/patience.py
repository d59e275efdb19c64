"""uvicorn's protocols, with an end to waiting for a browser that is gone or does not read.

uvicorn waits for as long as the kernel does, and the kernel keeps a connection whose other end has vanished
for a quarter of an hour, and one whose other end takes nothing for ever. Each holds what was to be sent.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

# Sent and not confirmed, or not even taken, for so long: the connection is over (tcp(7), TCP_USER_TIMEOUT).
UNTAKEN_MS = 20_000
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only


class Http(HttpToolsProtocol):
    """Every connection begins as one of these, websockets too."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        connection: Any = transport.get_extra_info("socket")
        if connection is not None and _TCP_USER_TIMEOUT is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, UNTAKEN_MS)
        super().connection_made(transport)


class Websocket(WebSocketsSansIOProtocol):
    """Closing does not queue up behind what a browser does not read."""

    def send(self, message: Any) -> Coroutine[Any, Any, None]:
        """Not a coroutine itself: one more for every frame and tab would be felt."""
        if message["type"] == "websocket.close" and not self.writable.is_set():
            return self._abort()
        return super().send(message)

    async def _abort(self) -> None:
        self.transport.abort()
