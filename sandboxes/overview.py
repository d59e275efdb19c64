"""The staff's websocket: that something changed, and about whom, so that a page may ask for it again.

It carries no facts, only names: which kinds of thing changed, in which sandboxes, of which users. What a
page then shows comes over HTTP, with that page's own checks. An instructor hears of their students, an admin
of everybody.

The session is looked at every few seconds. What happens between two messages is gathered, at most two go out
per second, and one that a browser does not take holds up nothing but itself.
"""

import asyncio
import json
import logging
from collections.abc import Coroutine
from typing import Any

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from channels.layers import get_channel_layer
from django.db import DatabaseError

from accounts.models import User
from accounts.selectors import visible_users
from accounts.sessions import users_of
from accounts.sockets import BAD_FRAME, FORBIDDEN, LATER, SIGNED_OUT, TOO_MANY, Seats
from sandboxes.announce import OVERVIEW
from sandboxes.layer import member_of
from sandboxes.models import Sandbox

logger = logging.getLogger(__name__)

LOOK_S = 4.0  # and the look itself, within the five that were promised
EVERY_S = 0.5
NAMED = 200
GATHERED = 5_000

_seats = Seats()


class OverviewConsumer(AsyncWebsocketConsumer):
    """One browser tab of an instructor or an admin."""

    # No such layer: channels itself would fail the handshake while Redis is down, without saying why.
    channel_layer_alias = "none"

    _viewer: User
    _tasks: list["asyncio.Task[None]"]
    _news: asyncio.Event
    _kinds: set[str]
    _sandboxes: set[str]
    _is_heard: bool
    _seat: int

    # -- coming and going ----------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._tasks, self._news = [], asyncio.Event()
        self._kinds, self._sandboxes, self._is_heard, self._seat = set(), set(), True, 0
        # Refused only after the accept: a browser is not told the code of a refused handshake.
        await self.accept()
        viewer = await database_sync_to_async(self._user)()
        code = _refusal(viewer)
        if viewer is not None and not code:
            code = 0 if _seats.take(viewer.pk) else TOO_MANY
        if viewer is None or code:
            await self.close(code)
            return
        self._viewer, self._seat = viewer, viewer.pk
        self._tasks = [asyncio.create_task(self._or_close(run)) for run in (self._listen(), self._tell())]

    async def disconnect(self, code: int) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._seat:
            _seats.leave(self._seat)
            self._seat = 0

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Nothing is asked here; whoever talks is not a page of ours."""
        await self.close(BAD_FRAME)

    async def _or_close(self, run: Coroutine[Any, Any, None]) -> None:
        """A page that is told "try again later" does, and says meanwhile that it is not live."""
        try:
            await run
        except Exception as error:  # noqa: BLE001  a channel layer may fail in its own way
            logger.info("overview.lost", extra={"why": type(error).__name__})
            await self.close(LATER)

    # -- who looks -----------------------------------------------------------------------------------------

    def _user(self) -> User | None:
        key = getattr(self.scope.get("session"), "session_key", None) or ""
        return users_of([key]).get(key)

    async def _look(self, channel: str) -> None:
        """Every few seconds: is the session still there, and is what is announced still heard?

        A layer that lost its Redis says nothing of it, so a word is sent to ourselves and awaited.
        """
        while True:
            await asyncio.sleep(LOOK_S)
            code = _refusal(await self._viewer_now())
            if code or not self._is_heard:
                await self.close(code or LATER)
                return
            self._is_heard = False
            await _layer().send(channel, {"type": "overview.pulse"})
            await self.send(json.dumps({"kind": "ping"}))

    async def _viewer_now(self) -> User | None:
        try:
            return await database_sync_to_async(self._user)()
        except DatabaseError:  # busy for a moment; the next look is in four seconds
            logger.exception("overview.look")
            return self._viewer

    # -- what happened -------------------------------------------------------------------------------------

    async def _listen(self) -> None:
        async with member_of(OVERVIEW) as channel:
            self._tasks.append(asyncio.create_task(self._or_close(self._look(channel))))
            await self.send(json.dumps({"kind": "hello"}))
            while True:
                self._note(await _layer().receive(channel))

    def _note(self, event: dict[str, Any]) -> None:
        if event["type"] != "overview.event":
            self._is_heard = True
            return
        self._kinds.add(event["kind"])
        if len(self._sandboxes) < GATHERED:
            self._sandboxes.add(event["sandbox"])
        self._news.set()

    async def _tell(self) -> None:
        """The first event at once, those of the next half second together."""
        while True:
            await self._news.wait()
            self._news.clear()
            kinds, self._kinds = self._kinds, set()
            sandboxes, self._sandboxes = self._sandboxes, set()
            frame = await database_sync_to_async(changed)(self._viewer, kinds, sandboxes)
            if frame:
                await self.send(json.dumps(frame))
            await asyncio.sleep(EVERY_S)  # also when it did not concern this viewer: asking is a query


def changed(viewer: User, kinds: set[str], sandboxes: set[str]) -> dict[str, Any] | None:
    """What this viewer may be told; None when it is nothing. One query.

    Of more than NAMED sandboxes none is named: "all" says that everything should be asked again.
    """
    rows = Sandbox.objects.filter(pk__in=sandboxes)
    if not viewer.is_admin:
        rows = rows.filter(owner__in=visible_users(viewer))
    found = list(rows.values_list("pk", "owner"))
    if not found and not viewer.is_admin:
        return None
    told: dict[str, Any] = {"kind": "changed", "kinds": sorted(kinds), "all": len(sandboxes) > NAMED}
    if told["all"]:
        return told | {"sandboxes": [], "users": []}
    named = sandboxes if viewer.is_admin else {pk.hex for pk, _ in found}
    return told | {"sandboxes": sorted(named), "users": sorted({owner for _, owner in found if owner})}


def _refusal(viewer: User | None) -> int:
    """0, or the code to close with. Another role ends the session, so whoever had one is signed out."""
    if viewer is None:
        return SIGNED_OUT
    return 0 if viewer.is_staff_member else FORBIDDEN


def _layer() -> Any:
    return get_channel_layer()
