"""How often a user, and all users behind one address, may ask for something costly.

Counted in the cache; without a cache nothing is limited.
"""

import logging
import time
from dataclasses import dataclass

from django.core.cache import cache

from sandboxes.errors import TooOften

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """So many times per window, per user; a whole class behind one address shares CLASS times as many.

    what: for the sentence, "press Start".
    """

    name: str
    what: str
    times: int
    window_s: int


CLASS = 60

START = Limit(name="start", what="start or stop your sandbox", times=20, window_s=60)
RUN = Limit(name="run", what="run a program", times=60, window_s=60)
SAVE = Limit(name="save", what="save a file", times=240, window_s=60)
FAULT = Limit(name="fault", what="break something", times=30, window_s=60)
LAB = Limit(name="lab", what="begin a lab", times=20, window_s=60)
GRADE = Limit(name="grade", what="have your work judged", times=60, window_s=60)
ANSWER = Limit(name="answer", what="answer a question", times=120, window_s=60)
# Two dozen tabs that all ask as often as our pages do, every two seconds.
POLL = Limit(name="poll", what="ask for the live picture", times=120, window_s=10)


def spend(limit: Limit, user_id: int, *, address: str = "") -> None:
    """Count one use; TooOften when the window's share is used up, the user's or their address's."""
    mine = used_up(limit, str(user_id), limit.times)
    if mine:
        raise TooOften(
            f"You may {limit.what} {limit.times} times in {limit.window_s} s. Try again in {mine} s.",
            retry_after_s=mine,
        )
    ours = used_up(limit, f"at:{address}", limit.times * CLASS) if address else 0
    if ours:
        raise TooOften(
            f"Too many people at your address asked for this at once. Try again in {ours} s.",
            retry_after_s=ours,
        )


def used_up(limit: Limit, who: str, times: int) -> int:
    """Count one use of `who`; how many seconds to wait when it was one too many, else 0."""
    now = time.time()
    window = int(now // limit.window_s)
    if _count(f"limit:{limit.name}:{who}:{window}", limit.window_s) <= times:
        return 0
    return max(1, int((window + 1) * limit.window_s - now) + 1)


def _count(key: str, window_s: int) -> int:
    try:
        return 1 if cache.add(key, 1, timeout=2 * window_s) else cache.incr(key)
    except Exception:  # noqa: BLE001  any cache may fail in its own way; a student must still be able to work
        logger.warning("limits.no_cache")
        return 0
