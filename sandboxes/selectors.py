"""Questions about sandboxes, answered from rows and events; nothing here changes or starts anything."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Count, F, Max, QuerySet, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from accounts import selectors as people
from accounts.models import User
from sandboxes import estimates, placement, pool
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent

_HOUR = timedelta(hours=1)
STAGE_NAMES = {
    "namespaces": "Walls around your sandbox",
    "kafka": "The broker",
    "probe": "Proof: your Kafka answers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One line of a start's progress. mark: "past", "now", "halt" or ""; took_s: measured, or expected."""

    name: str
    mark: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolRow:
    """The warm sandboxes of one cluster and profile.

    wanted:   how many there should be now, by rule and by reservation.
    warm:     frozen, proven and nobody's; starting: on their way there.
    claimed:  starts of the last hour that got a warm one; missed: those that found none.
    reserved: how many of `wanted` are there because somebody reserved them.
    """

    cluster: Cluster
    profile: str
    wanted: int
    warm: int
    starting: int
    claimed: int
    missed: int
    reserved: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """Somebody who waits for a place. wait_s: the estimate they see."""

    sandbox: Sandbox
    place: int
    waited_s: float
    wait_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureRow:
    """A cause of failures since a time, the most frequent first. sentence: what the latest one said."""

    cause: str
    count: int
    sandboxes: int
    last_at: datetime
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenUpRow:
    """Sandboxes that failed of one cause and are not tried again. first: which did so first."""

    first: Sandbox
    count: int


# -- one student's -----------------------------------------------------------------------------------------


def live_sandbox(user: User) -> Sandbox | None:
    """The one sandbox that a user has or is about to have; None when they have none."""
    return Sandbox.objects.filter(owner=user, wanted=Sandbox.Wanted.PRESENT).select_related("cluster").first()


def owned_sandbox(sandbox_id: UUID, user: User) -> Sandbox | None:
    """A sandbox, if this user owns it; in any state."""
    return Sandbox.objects.filter(pk=sandbox_id, owner=user).select_related("cluster").first()


def visible_sandbox(sandbox_id: UUID, user: User) -> Sandbox | None:
    """A sandbox, if this user may see its owner's work, or is an admin; in any state."""
    sandbox = Sandbox.objects.filter(pk=sandbox_id).select_related("cluster", "owner").first()
    if sandbox is None or sandbox.owner is None:
        return sandbox if user.role == "admin" else None
    return sandbox if people.may_see(user, sandbox.owner) else None


def stage_rows(sandbox: Sandbox) -> tuple[StageRow, ...]:
    """The stages of a start with what each took, or is expected to take; of a failed one, where it halted."""
    expected = estimates.known(sandbox.profile).stages_s
    if sandbox.now is State.QUEUED:
        return tuple(
            StageRow(name=said, mark="", took_s=expected[name]) for name, said in STAGE_NAMES.items()
        )
    since = sandbox.begun_at or sandbox.state_since
    ended = SandboxEvent.objects.filter(sandbox=sandbox, kind=SandboxEvent.STAGE, at__gte=since)
    took = dict(ended.values_list("old", "took_s"))
    reached = _reached(sandbox, ended)
    return tuple(
        StageRow(name=said, mark=_mark(index, reached, sandbox), took_s=took.get(name, expected[name]))
        for index, (name, said) in enumerate(STAGE_NAMES.items())
    )


def _reached(sandbox: Sandbox, ended: QuerySet[SandboxEvent]) -> int:
    """The number of the stage it is in, or failed in."""
    names = list(STAGE_NAMES)
    if sandbox.stage in names:
        return names.index(sandbox.stage)
    if sandbox.now is State.FAILED:
        entered = ended.exclude(new="").order_by("-pk").values_list("new", flat=True).first()
        return names.index(entered) if entered in names else 0
    # The last one is over, or the first has not been seen yet.
    return len(names) if ended.filter(new="").exists() else 0


def _mark(index: int, reached: int, sandbox: Sandbox) -> str:
    if sandbox.now is State.FAILED and sandbox.begun_at is None:
        return ""
    if index == reached:
        return "halt" if sandbox.now is State.FAILED else "now"
    return "past" if index < reached else ""


# -- everybody's -------------------------------------------------------------------------------------------


def pool_rows() -> tuple[PoolRow, ...]:
    """One row for each open cluster and profile."""
    open_ones = Cluster.objects.filter(open=True).order_by("pk")
    return tuple(_pool_row(cluster, profile) for cluster in open_ones for profile in pool.PROFILES)


def _pool_row(cluster: Cluster, profile: str) -> PoolRow:
    since = timezone.now() - _HOUR
    counted = pool.members(cluster, profile).values_list("state").annotate(count=Count("pk"))
    there, wanted = dict(counted), pool.stock(cluster, profile)
    warm = there.pop(State.WARM.value, 0)
    return PoolRow(
        cluster=cluster,
        profile=profile,
        wanted=wanted.wanted,
        warm=warm,
        starting=sum(there.values()),
        claimed=pool.claims(cluster, profile, since=since).count(),
        missed=pool.misses(cluster, profile, since=since).count(),
        reserved=wanted.reserved,
    )


def queue_rows() -> tuple[QueueRow, ...]:
    """Everybody who waits for a place, in order, cluster by cluster."""
    return tuple(row for cluster in Cluster.objects.order_by("pk") for row in _queue_of(cluster))


def _queue_of(cluster: Cluster) -> list[QueueRow]:
    waiting = list(placement.queue(cluster.pk).select_related("owner", "cluster"))
    if not waiting:
        return []
    now, waits = timezone.now(), estimates.waits_s(cluster, len(waiting), waiting[0].profile)
    return [
        QueueRow(
            sandbox=sandbox, place=place, waited_s=(now - sandbox.queued_at).total_seconds(), wait_s=wait
        )
        for place, (sandbox, wait) in enumerate(zip(waiting, waits, strict=True), 1)
    ]


def failures_by_cause(since: datetime) -> tuple[FailureRow, ...]:
    """Why sandboxes failed since then."""
    failed = SandboxEvent.objects.filter(kind=SandboxEvent.MOVE, new=State.FAILED, at__gte=since)
    causes = list(
        failed.values("cause")
        .annotate(count=Count("pk"), sandboxes=Count("sandbox", distinct=True), last=Max("pk"))
        .order_by("-count", "cause")
    )
    latest = SandboxEvent.objects.in_bulk([cause["last"] for cause in causes])
    return tuple(
        FailureRow(
            cause=cause["cause"],
            count=cause["count"],
            sandboxes=cause["sandboxes"],
            last_at=latest[cause["last"]].at,
            sentence=latest[cause["last"]].detail,
        )
        for cause in causes
    )


def given_up_by_cause() -> tuple[GivenUpRow, ...]:
    """Who was given up longest ago comes first; one query, however many there are."""
    of_a_cause = (
        Sandbox.objects.filter(state=State.FAILED, retry_at=None, owner__isnull=False)
        .select_related("owner")
        .annotate(
            turn=Window(RowNumber(), partition_by=F("failure_cause"), order_by=("state_since", "pk")),
            those=Window(Count("pk"), partition_by=F("failure_cause")),
        )
    )
    firsts = of_a_cause.filter(turn=1).order_by("state_since")
    return tuple(GivenUpRow(first=sandbox, count=sandbox.those) for sandbox in firsts)
