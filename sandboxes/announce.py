"""Control events to the browsers that look at a sandbox: rare, small, and never the only copy of a fact.

The channel layer may lose one, so every page can also ask; and Redis may be down, so nothing here raises.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

import redis
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from django.conf import settings

from sandboxes.layer import SiteLayer

logger = logging.getLogger(__name__)

Word = tuple[str, Mapping[str, Any]]

WATCH_S = 60
# After a failure nobody is told anything for this long: a start must not wait for a page's convenience.
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
    words: list[Word] = [(group_name(sandbox_id), {"type": "control.event", "kind": kind, "data": data})]
    if kind in OF_INTEREST:
        words.append((OVERVIEW, {"type": "overview.event", "sandbox": sandbox_id.hex, "kind": kind}))
    # A saved sheet may be an answer: the grader hears it as it hears of the cluster, and need not come by.
    news = [f"changed:{sandbox_id.hex}"] if kind == "files" else []
    try:
        _tell(words, news)
    except Exception:  # noqa: BLE001  a page that asks a little later is no reason to fail the work itself
        _Breaker.silent_until = time.monotonic() + SILENCE_S
        logger.warning("announce.lost", extra={"sandbox": sandbox_id.hex, "kind": kind})


def _tell(words: Sequence[Word], news: Sequence[str]) -> None:
    layer: Any = get_channel_layer()
    if isinstance(layer, SiteLayer):
        layer.tell(words, news=news)
    elif layer is not None:
        async_to_sync(_tell_on_a_loop)(layer, words)


async def _tell_on_a_loop(layer: Any, words: Sequence[Word]) -> None:
    """For any other layer."""
    for group, word in words:
        await layer.group_send(group, word)


def keep_watched(sandbox_id: UUID) -> None:
    """Count a running attempt as a watcher for the next minute, so that the sampler keeps reading."""
    try:
        with redis.Redis.from_url(settings.REDIS_URL) as client:
            client.set(f"live:watch:attempt:{sandbox_id.hex}", 1, ex=WATCH_S)
    except redis.RedisError:
        logger.warning("announce.watch_lost", extra={"sandbox": sandbox_id.hex})
