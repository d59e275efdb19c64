"""All sockets of this process checked together, every five seconds: whose session has ended?

A websocket outlives the request that opened it, so that signing out must be looked for. One look costs the
same few queries for one socket or five hundred.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from channels.db import database_sync_to_async
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import DatabaseError
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User
from live import access
from sandboxes.models import Sandbox

logger = logging.getLogger(__name__)

CHECK_S = 4.0  # and the look itself, within the five that were promised


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Whose socket it is and what it watches."""

    session_key: str
    user_id: int
    sandbox_id: UUID


class Sessions:
    """Knows every open socket of this process; `close` is called with a code for those that must end."""

    def __init__(self) -> None:
        self._open: dict[Holder, set[Callable[[int], None]]] = {}
        self._task: asyncio.Task[None] | None = None

    def add(self, holder: Holder, close: Callable[[int], None]) -> None:
        self._open.setdefault(holder, set()).add(close)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())

    def remove(self, holder: Holder, close: Callable[[int], None]) -> None:
        self._open.get(holder, set()).discard(close)
        if not self._open.get(holder):
            self._open.pop(holder, None)

    async def _run(self) -> None:
        """For as long as a socket is open."""
        while self._open:
            await asyncio.sleep(CHECK_S)
            try:
                ended = await database_sync_to_async(ended_holders)(list(self._open))
            except DatabaseError:
                logger.exception("live.sessions")
                continue
            for holder, code in ended.items():
                for close in list(self._open.get(holder, ())):
                    close(code)


def ended_holders(holders: Iterable[Holder]) -> dict[Holder, int]:
    """Those that must be closed, with the code. Three queries for all; more only for who watches another's
    sandbox.
    """
    holders = list(holders)
    signed_in = _signed_in({h.session_key for h in holders})
    owners = dict(
        Sandbox.objects.filter(pk__in={h.sandbox_id for h in holders}).values_list("pk", "owner_id")
    )
    ended: dict[Holder, int] = {}
    for holder in holders:
        if signed_in.get(holder.session_key) != holder.user_id:
            ended[holder] = access.SIGNED_OUT
        elif owners.get(holder.sandbox_id) != holder.user_id:
            refused = access.refusal(holder.user_id, holder.sandbox_id)
            if refused:
                ended[holder] = refused.code
    return ended


def _signed_in(keys: set[str]) -> dict[str, int]:
    """Session key -> user id, for sessions that have not ended and whose user may still sign in."""
    sessions = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    held = {session.session_key: session.get_decoded() for session in sessions}
    ids = {
        int(data[SESSION_KEY])
        for data in held.values()
        if SESSION_KEY in data and BACKEND_SESSION_KEY in data
    }
    users = User.objects.filter(is_active=True).in_bulk(ids)
    found: dict[str, int] = {}
    for key, data in held.items():
        user = users.get(int(data.get(SESSION_KEY, 0)))
        # A changed password ends every session that was opened with the old one.
        if user and constant_time_compare(str(data.get(HASH_SESSION_KEY, "")), user.get_session_auth_hash()):
            found[key] = user.pk
    return found
