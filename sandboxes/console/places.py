"""The clusters one by one: what each holds, how much more it takes, and what its machine says."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Count

from sandboxes import placement, provisioning
from sandboxes.backends.base import BackendError, Tier
from sandboxes.console import words
from sandboxes.console.machine import Machine, machine_of
from sandboxes.console.words import KINDS, NAMED, Kind
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox

# Free room is a few dots; the words beside them say how much it is.
FREE_CELLS = 90
# More cells than this are no picture any more; then one cell stands for several.
CELLS = 480
_TIERS = {
    Tier.STRONG: "bubblewrap, strong",
    Tier.LIMITS_ONLY: "limits only",
    Tier.OFF: "programs off",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """So many cells of one kind in the picture of a cluster; kind None for room that is free."""

    kind: Kind | None
    cells: range


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One cluster. why: one sentence while its machine does not answer; then room and tier are unknown."""

    cluster: Cluster
    backend: str
    counts: tuple[tuple[Kind, int], ...]
    seats: tuple[Seat, ...]
    each: int
    starting: int
    starts_at_once: int
    room: int | None
    tier: str
    is_weak: bool
    why: str
    machine: Machine | None

    @property
    def total(self) -> int:
        return sum(count for _, count in self.counts)


def places_of(clusters: Sequence[Cluster]) -> tuple[Place, ...]:
    counts: Mapping[int, Counter[Kind]] = defaultdict(Counter)
    rows = Sandbox.objects.exclude(state=State.DELETED).order_by()
    for cluster_id, state, frozen, count in rows.values_list("cluster", "state", "frozen").annotate(
        Count("pk")
    ):
        counts[cluster_id][words.kind_of(state, frozen=frozen)] += count
    return tuple(_place(cluster, counts[cluster.pk]) for cluster in clusters)


def _place(cluster: Cluster, counted: Counter[Kind]) -> Place:
    room, tier, why = _asked(cluster)
    counts = tuple((kind, counted[kind]) for kind in KINDS if counted[kind])
    each = max(1, -(-sum(counted.values()) // CELLS))
    return Place(
        cluster=cluster,
        backend=cluster.backend or settings.SANDBOX_BACKEND,
        counts=counts,
        seats=_seats(counts, room, each),
        each=each,
        starting=sum(counted[NAMED[name]] for name in ("starting", "waking")),
        starts_at_once=placement.starts_at_once(cluster),
        room=room,
        tier=_TIERS[tier] if tier else "unknown",
        is_weak=tier in {Tier.LIMITS_ONLY, Tier.OFF},
        why=why,
        machine=machine_of(cluster),
    )


def _asked(cluster: Cluster) -> tuple[int | None, Tier | None, str]:
    """How many more fit, how well programs are held, and one sentence when that cannot be asked."""
    backend = provisioning.backend_for(cluster)
    try:
        return backend.room(), backend.tier(), ""
    except BackendError as error:
        return None, None, error.sentence


def _seats(counts: Sequence[tuple[Kind, int]], room: int | None, each: int) -> tuple[Seat, ...]:
    """Rounded up, so that one failed sandbox among thousands is seen; free room is rounded down."""
    taken = tuple(Seat(kind=kind, cells=range(-(-count // each))) for kind, count in counts)
    return (*taken, Seat(kind=None, cells=range(min(FREE_CELLS, (room or 0) // each))))
