"""When the sweep last ran, and what it removed that nobody wanted: kept in the cache.

Like every cache it may be empty; then nothing is known, which is said and is no alarm by itself.
"""

import time
from dataclasses import dataclass

from django.core.cache import cache

from sandboxes import metrics

# Beat sends one every ten seconds; three that did not come are no chance any more.
OVERDUE_S = 30.0
_SWEPT, _ORPHANS = "sandboxes:swept", "sandboxes:orphans"
_KEPT_S, _KEPT = 24 * 3600, 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """Something that ran and that no row wanted; at: seconds since 1970."""

    at: float
    hex: str


def swept() -> None:
    """Note that a sweep has come to its end."""
    cache.set(_SWEPT, time.time(), None)


def since_sweep_s() -> float | None:
    """Seconds since the last sweep ended; None when that is not known."""
    at: float | None = cache.get(_SWEPT)
    return None if at is None else max(0.0, time.time() - at)


def orphan_removed(hex_id: str) -> None:
    """Note what was destroyed, once, however many sweeps it takes."""
    before = cache.get(_ORPHANS, [])
    known = [(at, name) for at, name in before if name != hex_id]
    if len(known) == len(before):
        metrics.ORPHANS.inc()
    cache.set(_ORPHANS, [*known, (time.time(), hex_id)][-_KEPT:], _KEPT_S)


def orphans() -> tuple[Orphan, ...]:
    """What was destroyed in the last day, newest first."""
    oldest = time.time() - _KEPT_S
    return tuple(Orphan(at=at, hex=name) for at, name in reversed(cache.get(_ORPHANS, [])) if at >= oldest)
