"""The live websocket: authorise, then pass frames on; it computes nothing.

Origin and host are checked by config.origins before this is reached. Every view change asks again whether the
user may watch, and live.sessions looks every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from channels.exceptions import StopConsumer
from channels.generic.websocket import AsyncWebsocketConsumer

from live.access import Asker, session_key
from live.process import of_this_process
from live.tab import Tab

# What is being sent when the tab is to be closed may still go out within this time.
_LAST_WORDS_S = 1.0


class LiveConsumer(AsyncWebsocketConsumer):
    """One browser tab watching one sandbox."""

    # No channel layer either: control events come through the hub, once for all tabs of a sandbox.
    _tab: Tab
    _writer: asyncio.Task[None] | None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """As Channels does it, for a consumer that hears of nothing but its socket: without tasks for every
        message, and without a hop to a thread to look after database connections, which live.sessions does.
        """
        self.scope, self.base_send = scope, send
        with contextlib.suppress(StopConsumer):
            while True:
                message = await receive()
                await getattr(self, message["type"].replace(".", "_"))(message)

    # -- Coming and going ----------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._writer = None
        asker = Asker(
            session_key=session_key(self.scope), sandbox_id=self.scope["url_route"]["kwargs"]["sandbox_id"]
        )
        self._tab = of_this_process().tab(asker, self._let_go)
        # Refused only after the accept: a browser is not told the code of a refused handshake.
        await self.accept()
        code = await self._tab.open()
        if code:
            await self.close(code)
            return
        self._writer = asyncio.create_task(self._write())

    async def websocket_disconnect(self, message: Mapping[str, Any]) -> None:
        self._tab.leave()
        if self._writer:
            self._writer.cancel()
            await self._writer
        raise StopConsumer

    # -- Out -----------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """The only task that sends: frames in order, then the close code."""
        viewer = self._tab.viewer
        with contextlib.suppress(asyncio.CancelledError, OSError):  # uvicorn: the browser has gone
            send: Any = self.base_send
            while (text := await viewer.outgoing.next()) is not None:
                await send({"type": "websocket.send", "text": text})
        if viewer.close_code:
            with contextlib.suppress(OSError):
                await self.close(viewer.close_code)

    def _let_go(self) -> None:
        """Whoever does not read would keep the writer waiting for ever."""
        if self._writer:
            asyncio.get_running_loop().call_later(_LAST_WORDS_S, self._writer.cancel)

    # -- In ------------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        await self._tab.take(text_data or "")
