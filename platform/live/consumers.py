"""The live websocket: authorise, then pass frames on; it computes nothing.

Origin and host are checked by config.origins before this is reached. Every view change asks again whether the
user may watch, and live.sessions looks every few seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import weakref
from collections.abc import Mapping
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.conf import settings

from live import access, frames, ops
from live.feed import Feed, connect
from live.hub import Hub
from live.picture import now_ms
from live.sessions import Holder, Sessions
from live.viewer import Viewer
from sandboxes import announce

logger = logging.getLogger(__name__)

BAD_FRAME = 4400
_OPS_PER_S = 20
_OPS_BURST = 60

_hubs: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, tuple[Hub, Sessions]] = (
    weakref.WeakKeyDictionary()
)


def of_this_process() -> tuple[Hub, Sessions]:
    """The hub and the session look of the running loop: one of each per web process."""
    loop = asyncio.get_running_loop()
    if loop not in _hubs:
        _hubs[loop] = (Hub(Feed(connect(settings.REDIS_URL))), Sessions())
    return _hubs[loop]


class LiveConsumer(AsyncWebsocketConsumer):
    """One browser tab watching one sandbox."""

    _viewer: Viewer
    _sandbox_id: UUID
    _user_id: int | None
    _holder: Holder | None
    _writer: asyncio.Task[None] | None
    _has_said_hello: bool
    _budget: float
    _budget_at: float

    # -- Coming and going ----------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._viewer, self._holder, self._writer = Viewer(), None, None
        self._has_said_hello, self._budget, self._budget_at = False, _OPS_BURST, time.monotonic()
        self._sandbox_id = self.scope["url_route"]["kwargs"]["sandbox_id"]
        self._user_id = getattr(self.scope.get("user"), "pk", None)
        # Refused only after the accept: a browser is not told the code of a refused handshake.
        await self.accept()
        if await self._is_refused():
            return
        self._hub, self._sessions = of_this_process()
        self._holder = Holder(
            session_key=self._session_key(), user_id=self._user_id or 0, sandbox_id=self._sandbox_id
        )
        self._sessions.add(self._holder, self._viewer.close)
        self._writer = asyncio.create_task(self._write())
        await self.channel_layer.group_add(announce.group_name(self._sandbox_id), self.channel_name)

    async def disconnect(self, code: int) -> None:
        if self._holder is None:
            return
        self._hub.detach(self._sandbox_id.hex, self._viewer)
        self._sessions.remove(self._holder, self._viewer.close)
        if self._writer:
            self._writer.cancel()
        with contextlib.suppress(Exception):  # Redis may be away; the group forgets us by itself
            await self.channel_layer.group_discard(announce.group_name(self._sandbox_id), self.channel_name)

    def _session_key(self) -> str:
        return getattr(self.scope.get("session"), "session_key", None) or ""

    async def _is_refused(self) -> bool:
        refused = await database_sync_to_async(access.refusal)(self._user_id, self._sandbox_id)
        if refused:
            await self.close(refused.code)
        return refused is not None

    # -- Out -----------------------------------------------------------------------------------------------

    async def _write(self) -> None:
        """The only task that sends: frames in order, then the close code."""
        while (text := await self._viewer.next()) is not None:
            await self.send(text)
        await self.close(self._viewer.close_code)

    async def control_event(self, event: Mapping[str, Any]) -> None:
        """A control event of the site, from sandboxes.announce."""
        self._viewer.say(frames.Control(t=now_ms(), kind=event["kind"], data=event["data"]))

    # -- In ------------------------------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._holder is None:
            return
        try:
            op = ops.parse(text_data or "")
            self._spend()
            await self._do(op)
        except ops.BadOp:
            self._viewer.close(BAD_FRAME)

    def _spend(self) -> None:
        """A browser acknowledges once a second; one that talks much more is not ours."""
        now = time.monotonic()
        self._budget = min(_OPS_BURST, self._budget + (now - self._budget_at) * _OPS_PER_S) - 1
        self._budget_at = now
        if self._budget < 0:
            raise ops.BadOp("too often")

    async def _do(self, op: ops.Op) -> None:
        if self._has_said_hello == isinstance(op, ops.Hello):
            raise ops.BadOp("hello comes first, and once")
        hex_id = self._sandbox_id.hex
        match op:
            case ops.Hello(topics, resume):
                self._has_said_hello = True
                self._viewer.topics = topics
                self._hub.attach(hex_id, self._viewer, resume)
            case ops.View(topics):
                if not await self._is_refused():
                    self._hub.view(hex_id, self._viewer, topics)
            case ops.Ack(seq):
                self._viewer.acknowledge(seq)
            case ops.Pause():
                self._viewer.is_paused = True
            case ops.Resume(place):
                self._hub.attach(hex_id, self._viewer, place, greet=False)
