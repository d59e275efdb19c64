"""How often a user, and all users behind one address, may ask for something costly.

Counted in the cache; without a cache nothing is limited.
"""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from typing import Any

from django.core.cache import cache

from sandboxes.errors import TooOften
from sandboxes.gathering import Gathered

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


# Of a limit, who has it, and how many times.
Share = tuple[Limit, str, int]

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
    mine, ours = _uses.ask(_Use(limit, user_id, address))
    if mine:
        raise TooOften(
            f"You may {limit.what} {limit.times} times in {limit.window_s} s. Try again in {mine} s.",
            retry_after_s=mine,
        )
    if ours:
        raise TooOften(
            f"Too many people at your address asked for this at once. Try again in {ours} s.",
            retry_after_s=ours,
        )


def used_up(limit: Limit, who: str, times: int) -> int:
    """Count one use of `who`; how many seconds to wait when it was one too many, else 0."""
    return waits_s([(limit, who, times)])[0]


@dataclass(frozen=True, slots=True)
class _Use:
    limit: Limit
    user_id: int
    address: str


def _spend_all(uses: Sequence[_Use]) -> list[tuple[int, int]]:
    """The waits of each: their own, and their address's, of which only what they may do takes something."""
    mine = waits_s([(use.limit, str(use.user_id), use.limit.times) for use in uses])
    let_in = [bool(use.address) and not wait for use, wait in zip(uses, mine, strict=True)]
    shared = [(use.limit, f"at:{use.address}", use.limit.times * CLASS) for use in compress(uses, let_in)]
    ours = iter(waits_s(shared) if shared else ())
    return [(wait, next(ours) if is_in else 0) for wait, is_in in zip(mine, let_in, strict=True)]


def waits_s(shares: Sequence[Share]) -> list[int]:
    """Count one use of each; whole seconds until the next window where it was one too many, else 0."""
    now = time.time()
    counts = _count([
        (f"limit:{limit.name}:{who}:{now // limit.window_s:.0f}", 2 * limit.window_s)
        for limit, who, _ in shares
    ])  # fmt: skip
    return [
        0 if count <= times else int(limit.window_s - now % limit.window_s) + 1
        for count, (limit, _, times) in zip(counts, shares, strict=True)
    ]


def _count(uses: Sequence[tuple[str, int]]) -> list[int]:
    counting: Any = cache
    try:
        return list(counting.count(uses))
    except Exception:  # noqa: BLE001  any cache may fail in its own way; a student must still be able to work
        logger.warning("limits.no_cache")
        return [0] * len(uses)


_uses = Gathered(_spend_all)
