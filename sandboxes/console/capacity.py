"""The clusters: what each holds and takes, its pool and its queue, what failed, and what needs an admin."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from sandboxes import estimates, pool, pulse, selectors
from sandboxes.console import words
from sandboxes.console.needs import Need, needs_of
from sandboxes.console.places import Place, places_of
from sandboxes.console.words import KINDS, Kind
from sandboxes.lifecycle import OUTGROWN, State
from sandboxes.models import Cluster, PoolReservation, Sandbox
from sandboxes.selectors import FailureRow, PoolRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiter:
    """Somebody in the queue, in words."""

    sandbox: Sandbox
    place: int
    waited: str
    wait: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A cause with how many failures it brought in the last hour and day. last: how long ago.

    is_owners: it is the doing of whoever owns the sandbox.
    """

    cause: str
    hour: int
    day: int
    sandboxes: int
    last: str
    sentence: str
    is_owners: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reserved:
    """A reservation that still runs. left: how many of it are kept; the others were claimed."""

    asked: PoolReservation
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Capacity:
    """Everything on the page of clusters."""

    places: tuple[Place, ...]
    pools: tuple[PoolRow, ...]
    reservations: tuple[Reserved, ...]
    queue: tuple[Waiter, ...]
    failures: tuple[Failure, ...]
    needs: tuple[Need, ...]
    lingering: tuple[Sandbox, ...]
    orphans: tuple[pulse.Orphan, ...]
    swept: str
    estimate: estimates.Estimate

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """What the pictures are drawn with, each once, in the order of KINDS."""
        there = {kind for place in self.places for kind, _ in place.counts}
        return tuple(kind for kind in KINDS if kind in there)

    @property
    def total(self) -> int:
        return sum(place.total for place in self.places)

    @property
    def in_use(self) -> int:
        return sum(count for place in self.places for kind, count in place.counts if kind.name == "in-use")

    @property
    def open_places(self) -> int:
        """How many clusters take new ones."""
        return sum(place.cluster.open for place in self.places)

    @property
    def room(self) -> int:
        """How many more fit into clusters that take new ones; two on one machine share its room."""
        return sum({place.backend: place.room or 0 for place in self.places if place.cluster.open}.values())


def capacity() -> Capacity:
    """A fixed number of queries, and two short questions to each machine."""
    now = timezone.now()
    places = places_of(list(Cluster.objects.order_by("name")))
    lingering = tuple(
        Sandbox.objects.filter(state__in=[State.QUARANTINED, State.DELETING])
        .select_related("owner", "cluster")
        .order_by("state_since")[:20]
    )
    swept_s = pulse.since_sweep_s()
    return Capacity(
        places=places,
        pools=selectors.pool_rows(),
        reservations=_reservations(now),
        queue=tuple(_waiter(row) for row in selectors.queue_rows()),
        failures=_failures(now),
        needs=needs_of(places, lingering, selectors.given_up_by_cause(), swept_s, now),
        lingering=lingering,
        orphans=pulse.orphans(),
        swept=words.NOTHING if swept_s is None else words.lasting(swept_s),
        estimate=estimates.estimate("kafka-1"),
    )


def _reservations(now: datetime) -> tuple[Reserved, ...]:
    running = PoolReservation.objects.filter(until__gt=now).select_related("by", "cluster").order_by("until")
    kept: dict[int, int] = {}
    for cluster, profile in {(one.cluster, one.profile) for one in running}:
        kept |= pool.left_of_reservations(cluster, profile, now)
    return tuple(Reserved(asked=one, left=kept.get(one.pk, 0)) for one in running)


def _waiter(row: selectors.QueueRow) -> Waiter:
    return Waiter(
        sandbox=row.sandbox,
        place=row.place,
        waited=words.lasting(row.waited_s),
        wait=words.lasting(row.wait_s),
    )


def _failures(now: datetime) -> tuple[Failure, ...]:
    hour = {row.cause: row.count for row in selectors.failures_by_cause(now - timedelta(hours=1))}
    return tuple(
        _failure(row, hour.get(row.cause, 0), now) for row in selectors.failures_by_cause(now - _DAY)
    )


_DAY = timedelta(days=1)


def _failure(row: FailureRow, hour: int, now: datetime) -> Failure:
    return Failure(
        cause=row.cause,
        hour=hour,
        day=row.count,
        sandboxes=row.sandboxes,
        last=words.since(row.last_at, now),
        sentence=row.sentence,
        is_owners=row.cause in OUTGROWN,
    )
