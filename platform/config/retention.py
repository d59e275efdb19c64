"""Once an hour: remove what has been kept for as long as it is to be kept, for a few seconds at a time.

What is left when the time is up is for the next hour. It may run twice at once, or be killed at any point.
"""

import logging
import time
from collections import Counter
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
    """Slice after slice until nothing is due, or the time is up; how many rows of what were removed."""
    ends, removed = time.monotonic() + lasts_s, Counter[str]()
    for take in SLICES:
        while time.monotonic() < ends and (taken := take()):
            removed += taken
            time.sleep(PAUSE_S)
    for what, count in removed.items():
        metrics.RETIRED.labels(what).inc(count)
    if removed:
        logger.info("retention.removed", extra=dict(removed))
    return removed
