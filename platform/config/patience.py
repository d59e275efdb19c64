"""uvicorn's protocols, with an end to waiting for a browser that is gone, does not read, or never finishes.

uvicorn waits for as long as the kernel does, and the kernel keeps a connection whose other end has vanished
for a quarter of an hour, and one whose other end takes nothing for ever. Each holds what was to be sent. For
a request it waits without end too, and keeps all that has come of its head.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Generator
from functools import lru_cache
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode
from websockets.protocol import State

# A request is there, with its body, so soon after its first byte or after the connection was made.
REQUEST_S = 30.0
HEAD_BYTES = 64 * 1024
# Sent and not confirmed, or not even taken, for so long: the connection is over (tcp(7), TCP_USER_TIMEOUT).
UNTAKEN_MS = 20_000
_TCP_USER_TIMEOUT = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux only


class Http(HttpToolsProtocol):
    """Every connection begins as one of these, websockets too."""

    _deadline: asyncio.TimerHandle | None = None
    _awaits_head = True
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        connection: Any = transport.get_extra_info("socket")
        if connection is not None and _TCP_USER_TIMEOUT is not None:
            connection.setsockopt(socket.IPPROTO_TCP, _TCP_USER_TIMEOUT, UNTAKEN_MS)
        super().connection_made(transport)
        self._await_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._awaits_head and not self.transport.is_closing():
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self.send_400_response("Request head too large.")

    def connection_lost(self, exc: Exception | None) -> None:
        self._request_is_there()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self) -> None:
        self._request_is_there()
        super().handle_websocket_upgrade()

    # -- told by the parser --------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._awaits_head, self._head_bytes = True, 0
        self._await_request()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._awaits_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._request_is_there()
        super().on_message_complete()

    # -- the time for it -----------------------------------------------------------------------------------

    def _await_request(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_S, self._abort)

    def _request_is_there(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _abort(self) -> None:
        self.transport.abort()


class Websocket(WebSocketsSansIOProtocol):
    """Closing does not queue up behind what a browser does not read; texts for many are framed once."""

    def send(self, message: Any) -> Awaitable[None]:  # type: ignore[override]  # all that uvicorn's callers do
        """Not a coroutine itself: one more for every frame and tab would be felt."""
        if message["type"] == "websocket.send" and self._is_plain and message.get("text") is not None:
            self.transport.write(text_frame(message["text"]))
            return _SENT
        if message["type"] == "websocket.send" and self.close_sent:
            return self._is_gone()  # uvicorn closed it: no answer to its pings
        if message["type"] == "websocket.close" and not self.writable.is_set():
            return self._abort()
        return super().send(message)

    @property
    def _is_plain(self) -> bool:
        """Whether a text can be written at once and as it is: the rest is uvicorn's to wait for or refuse."""
        return (
            self.writable.is_set()
            and self.handshake_complete
            and not self.close_sent
            and not self.disconnected
            and self.initial_response is None
            and self.conn.state is State.OPEN
            and not self.conn.extensions
        )

    async def _is_gone(self) -> None:
        raise ClientDisconnected

    async def _abort(self) -> None:
        self.transport.abort()


class _Sent:
    """To be awaited for nothing."""

    def __await__(self) -> Generator[Any]:
        yield from ()


_SENT = _Sent()


@lru_cache(maxsize=32)
def text_frame(text: str) -> bytes:
    """One whole text frame as a server sends it (RFC 6455, 5.2); the last few are kept for the other tabs."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)
