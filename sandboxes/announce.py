"""Control events to the browsers that look at a sandbox: rare, small, and never the only copy of a fact.

The channel layer may lose one, so every page can also ask; and Redis may be down, so nothing here raises.
"""

import asyncio
import logging
import time
from typing import Any
from uuid import UUID

import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

logger = logging.getLogger(__name__)

WATCH_S = 60
# A client that cannot reach Redis tries again for seconds; a start must not wait for a page's convenience.
PATIENCE_S = 0.5
SILENCE_S = 3.0
# The group of everybody who looks after students; which of it is for whom, sandboxes.overview decides.
OVERVIEW = "overview"
OF_INTEREST = frozenset({"sandbox", "verdict", "attempt", "fault"})


class _Breaker:
    """Remembers a failure for a few seconds, so that only one caller pays for finding out."""

    silent_until = 0.0


def group_name(sandbox_id: UUID) -> str:
    """The channel-layer group of everybody who looks at this sandbox."""
    return f"sandbox.{sandbox_id.hex}"


def announce(sandbox_id: UUID, kind: str, /, **data: Any) -> None:
    """Tell everybody who looks that something changed; call it from synchronous code, after the commit.

    kind: "sandbox", "verdict", "attempt", "fault" or "files"; data must be plain JSON values.
    """
    if time.monotonic() < _Breaker.silent_until:
        return
    event = {"type": "control.event", "kind": kind, "data": data}
    try:
        async_to_sync(_send)(sandbox_id, event)
    except Exception:  # noqa: BLE001  a page that asks a little later is no reason to fail the work itself
        _Breaker.silent_until = time.monotonic() + SILENCE_S
        logger.warning("announce.lost", extra={"sandbox": sandbox_id.hex, "kind": kind})


async def _send(sandbox_id: UUID, event: dict[str, Any]) -> None:
    layer = get_channel_layer()
    if layer is None:
        return
    async with asyncio.timeout(PATIENCE_S):
        await layer.group_send(group_name(sandbox_id), event)
        if event["kind"] in OF_INTEREST:
            said = {"type": "overview.event", "sandbox": sandbox_id.hex, "kind": event["kind"]}
            await layer.group_send(OVERVIEW, said)


def keep_watched(sandbox_id: UUID) -> None:
    """Count a running attempt as a watcher for the next minute, so that the sampler keeps reading."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.set(f"live:watch:attempt:{sandbox_id.hex}", 1, ex=WATCH_S)
    except redis.RedisError:
        logger.warning("announce.watch_lost", extra={"sandbox": sandbox_id.hex})
