"""The queue of a cluster as it stands at one moment: who waits there, and for how long."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from accounts.prepared import Prepared, Row
from sandboxes import estimates, placement
from sandboxes.models import Cluster, Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """standing: when each one asked and which it is, first to last; places: how many start at a time.

    waits_s: of each, in seconds, and of one who would come now.
    """

    standing: tuple[tuple[datetime, UUID], ...]
    waits_s: tuple[float, ...]
    places: int

    def place_of(self, sandbox: Sandbox) -> int:
        """1 for the next to start; the place it will have, of one whose former sandbox has not gone yet."""
        return bisect_left(self.standing, (sandbox.queued_at, sandbox.pk)) + 1

    def wait_s(self, sandbox: Sandbox) -> float:
        return self.waits_s[self.place_of(sandbox) - 1]

    def behind(self, sandbox: Sandbox) -> int:
        return max(0, len(self.standing) - self.place_of(sandbox))


# A rush has the queue read again and again.
_standing = Prepared(int, query=lambda cluster_id: placement.queue(cluster_id).values_list("queued_at", "pk"))


@lru_cache(1000)
def _converted(row: Row) -> tuple[datetime, UUID]:
    """From one reading to the next, most who wait are the same."""
    ((asked_at, pk),) = _standing.convert([row])
    return asked_at, pk


def line_of(cluster: Cluster, profile: str) -> Line:
    """Two queries, however many wait."""
    standing = tuple(map(_converted, _standing.raw(cluster.pk)))
    waits_s = estimates.waits_s(cluster, len(standing) + 1, profile)
    return Line(standing=standing, waits_s=tuple(waits_s), places=placement.starts_at_once(cluster))
