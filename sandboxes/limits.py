"""How often a user may ask for something costly, counted in the cache; without a cache nothing is limited."""

import logging
import time
from dataclasses import dataclass

from django.core.cache import cache

from sandboxes.errors import TooOften

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many times per window, per user. what: for the sentence, "press Start"."""

    name: str
    what: str
    times: int
    window_s: int


START = Limit(name="start", what="start or stop your sandbox", times=20, window_s=60)
RUN = Limit(name="run", what="run a program", times=60, window_s=60)
SAVE = Limit(name="save", what="save a file", times=240, window_s=60)
FAULT = Limit(name="fault", what="break something", times=30, window_s=60)


def spend(limit: Limit, user_id: int) -> None:
    """Count one use; TooOften when the window's share is used up."""
    now = time.time()
    window = int(now // limit.window_s)
    if _count(f"limit:{limit.name}:{user_id}:{window}", limit.window_s) <= limit.times:
        return
    retry_after_s = max(1, int((window + 1) * limit.window_s - now) + 1)
    raise TooOften(
        f"You may {limit.what} {limit.times} times in {limit.window_s} s. Try again in {retry_after_s} s.",
        retry_after_s=retry_after_s,
    )


def _count(key: str, window_s: int) -> int:
    try:
        cache.add(key, 0, timeout=2 * window_s)
        return cache.incr(key)
    except Exception:  # noqa: BLE001  any cache may fail in its own way; a student must still be able to work
        logger.warning("limits.no_cache")
        return 0
