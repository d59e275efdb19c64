"""Once an hour: remove what has been kept for as long as it is to be kept, for a few seconds at a time.

What is left when the time is up is for the next hour. It may run twice at once, or be killed at any point.
"""

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable

from accounts import session_store
from config import metrics
from sandboxes import retention

logger = logging.getLogger(__name__)

LASTS_S = 10.0
# Between two slices others get the database: SQLite lets one write at a time, and keeps no queue.
PAUSE_S = 0.01

Slice = Callable[[], Counter[str]]
SLICES: Iterable[Slice] = (
    retention.deleted_sandboxes,
    retention.small_print,
    retention.ended_faults,
    session_store.ended_sessions,
)


def remove(*, lasts_s: float = LASTS_S) -> Counter[str]:
    """A slice of each kind in turn until nothing is due, or the time is up; how many rows of what went.

    In turn, so that a kind of which there is much leaves time for the others.
    """
    ends, removed, kinds = time.monotonic() + lasts_s, Counter[str](), deque(SLICES)
    try:
        while kinds and time.monotonic() < ends:
            if taken := _take(kinds[0]):
                removed += taken
                kinds.rotate(-1)
                time.sleep(PAUSE_S)
            else:
                kinds.popleft()
    finally:
        _say(removed)
    return removed


def _take(take: Slice) -> Counter[str]:
    """A slice, or nothing of a kind that cannot be had now: the others go on, and its turn is in an hour."""
    try:
        return take()
    except Exception:
        logger.exception("retention.failed", extra={"kind": take.__name__})
        return Counter()


def _say(removed: Counter[str]) -> None:
    for what, count in removed.items():
        metrics.RETIRED.labels(what).inc(count)
    if removed:
        logger.info("retention.removed", extra=dict(removed))
