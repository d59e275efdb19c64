"""What sandboxes use of their machines, read from the backends at most every ten seconds, whoever asks.

Memory is as of one reading. Cores need two: until there is a second one nothing is claimed. Readings are
taken only while an admin looks, so that the console costs nothing when it is closed.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.cache import cache

from sandboxes import provisioning
from sandboxes.backends.base import BackendError, Usage
from sandboxes.models import Cluster

FRESH_S = 10.0
# Two readings further apart than this say nothing about now.
APART_S = 60.0
KEPT_S = 15 * 60
SAMPLES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one sandbox used at one instant; cores: averaged since the reading before, None when unknown."""

    memory_bytes: int
    cores: float | None
    disk_bytes: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """by_hex: what each sandbox uses; away: cluster -> why nothing is known of it; at: seconds since 1970."""

    at: float
    by_hex: Mapping[str, Reading] = field(default_factory=dict)
    away: Mapping[str, str] = field(default_factory=dict)

    @property
    def largest(self) -> int:
        """The most memory that one of them takes."""
        return max((reading.memory_bytes for reading in self.by_hex.values()), default=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One point of the small picture; at: seconds since 1970."""

    at: float
    memory_bytes: int
    cores: float | None


def readings(clusters: Iterable[Cluster | None]) -> Readings:
    """The last readings of all these clusters, new ones where they are older than ten seconds."""
    by_hex: dict[str, Reading] = {}
    away: dict[str, str] = {}
    asked: dict[str, dict[str, Any]] = {}
    for cluster in clusters:
        name = (cluster.backend if cluster else "") or settings.SANDBOX_BACKEND
        held = asked.setdefault(name, asked.get(name) or _held(name, cluster))
        if held["why"]:
            away[cluster.name if cluster else name] = held["why"]
        else:
            by_hex |= _told(held)
    return Readings(
        at=max((held["at"] for held in asked.values()), default=time.time()), by_hex=by_hex, away=away
    )


def _held(name: str, cluster: Cluster | None) -> dict[str, Any]:
    """What the cache holds of a backend, read anew when it is old; `why` says that it could not be read."""
    key, now = f"console:usage:{name}", time.time()
    held: dict[str, Any] | None = cache.get(key)
    if held and 0 <= now - held["at"] < FRESH_S:
        return held
    try:
        used, why = dict(provisioning.backend_for(cluster).usage()), ""
    except BackendError as error:
        used, why = {}, error.sentence
    before = held if held and not held["why"] else None
    fresh = {
        "at": now,
        "why": why,
        "used": {hex_id: _packed(usage) for hex_id, usage in used.items()},
        "before_at": before["at"] if before else 0.0,
        "before": {hex_id: row[1] for hex_id, row in before["used"].items()} if before else {},
    }
    cache.set(key, fresh, KEPT_S)
    return fresh


def _packed(usage: Usage) -> tuple[int, float, int, int]:
    return usage.memory_bytes, usage.cpu_s, usage.disk_bytes, usage.processes


def _told(held: dict[str, Any]) -> dict[str, Reading]:
    apart_s = held["at"] - held["before_at"]
    return {
        hex_id: Reading(
            memory_bytes=memory,
            cores=_cores(held["before"].get(hex_id), cpu_s, apart_s),
            disk_bytes=disk,
            processes=processes,
        )
        for hex_id, (memory, cpu_s, disk, processes) in held["used"].items()
    }


def _cores(before_s: float | None, now_s: float, apart_s: float) -> float | None:
    """Fewer seconds than before means that it was started anew: then nothing is known yet."""
    if before_s is None or now_s < before_s or not 0 < apart_s <= APART_S:
        return None
    return (now_s - before_s) / apart_s


def samples(hex_id: str, taken: Readings) -> tuple[Sample, ...]:
    """The readings of one sandbox while it was looked at, this one included; the last ten minutes or so."""
    key = f"console:samples:{hex_id}"
    kept: list[tuple[float, int, float | None]] = cache.get(key) or []
    reading = taken.by_hex.get(hex_id)
    if reading and (not kept or kept[-1][0] < taken.at):
        kept = [*kept, (taken.at, reading.memory_bytes, reading.cores)][-SAMPLES:]
        cache.set(key, kept, KEPT_S)
    oldest = taken.at - SAMPLES * FRESH_S
    return tuple(
        Sample(at=at, memory_bytes=memory, cores=cores) for at, memory, cores in kept if at >= oldest
    )
