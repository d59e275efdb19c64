"""Questions about sandboxes, answered from rows and events; nothing here changes or starts anything."""

import math
import statistics
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.utils import timezone
from django.utils.timesince import timesince

from accounts.models import User
from sandboxes import expiry, placement
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, FaultRecord, Sandbox, SandboxEvent

# What a start takes before this site has measured any: a cold kafka-1 on a laptop (median, 90th percentile).
ASSUMED_S = {"start": (2.0, 5.0), "wake": (2.0, 4.0)}
ASSUMED_STAGES_S = {"namespaces": 0.1, "kafka": 1.0, "probe": 0.2}
SAMPLE = 50
ENOUGH = 3

STAGE_NAMES = {
    "namespaces": "Walls around your sandbox",
    "kafka": "The broker",
    "probe": "Proof: your Kafka answers",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long a start takes. All in seconds; starts: how many were measured, 0 for an assumption."""

    median_s: float
    p90_s: float
    starts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRow:
    """One line of a start's progress. mark: "past", "now", "" or "halt"; took_s: measured, or expected."""

    name: str
    mark: str
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyAlive:
    """Why a sandbox is awake: when it was started, what last counted as use, when it goes to sleep."""

    started_at: datetime | None
    started_ago: str
    last_source: str
    last_at: datetime | None
    last_ago: str
    expires_at: datetime | None
    idle_minutes: int
    profile: str
    events: tuple[SandboxEvent, ...]


_SOURCES = {
    "start": "it was started",
    "wake": "it was woken",
    "file": "you changed a file",
    "program": "one of your programs ran",
    "check": "a task of a lab was checked",
    "fault": "you broke something on purpose",
    "extend": "you asked for more time",
}


def live_sandbox(user: User) -> Sandbox | None:
    """The one sandbox that a user has or is about to have; None when they have none."""
    return Sandbox.objects.filter(owner=user, wanted=Sandbox.Wanted.PRESENT).select_related("cluster").first()


def owned_sandbox(sandbox_id: UUID, user: User) -> Sandbox | None:
    """A sandbox, if this user owns it; in any state."""
    return Sandbox.objects.filter(pk=sandbox_id, owner=user).select_related("cluster").first()


def estimate(profile: str, what: str = "start") -> Estimate:
    """Median and 90th percentile of the last 50 starts (or "wake"s) of a profile."""
    came_from = State.BINDING if what == "start" else State.RESUMING
    recent = SandboxEvent.objects.filter(
        kind=SandboxEvent.MOVE, new=State.READY, old=came_from, sandbox__profile=profile
    ).order_by("-at")[:SAMPLE]
    took = sorted(took_s for took_s in recent.values_list("work_s", flat=True) if took_s > 0)
    if len(took) < ENOUGH:
        median_s, p90_s = ASSUMED_S[what]
        return Estimate(median_s=median_s, p90_s=p90_s, starts=0)
    nine_in_ten = took[min(len(took) - 1, math.ceil(0.9 * len(took)) - 1)]
    return Estimate(median_s=statistics.median(took), p90_s=nine_in_ten, starts=len(took))


def wait_s(sandbox: Sandbox) -> float:
    """How long a sandbox that starts, wakes or waits will still take, in seconds."""
    measured = estimate(sandbox.profile, "wake" if sandbox.now is State.RESUMING else "start")
    if sandbox.now is not State.QUEUED or sandbox.cluster is None:
        elapsed = (timezone.now() - (sandbox.begun_at or timezone.now())).total_seconds()
        return max(0.0, measured.median_s - elapsed)
    rounds = math.ceil(placement.place_in_queue(sandbox) / placement.starts_at_once(sandbox.cluster))
    return (rounds + 1) * measured.median_s


def stage_rows(sandbox: Sandbox) -> tuple[StageRow, ...]:
    """The stages of a start with what each took, or is expected to take."""
    since = sandbox.begun_at or sandbox.state_since
    ended = SandboxEvent.objects.filter(sandbox=sandbox, kind=SandboxEvent.STAGE, at__gte=since)
    took, expected = dict(ended.values_list("old", "took_s")), _usual_stages()
    begun = sandbox.now in {State.PROVISIONING, State.BINDING, State.RESUMING}
    reached = list(STAGE_NAMES).index(sandbox.stage) if sandbox.stage in STAGE_NAMES else 0
    return tuple(
        StageRow(
            name=said, mark=_mark(index, reached) if begun else "", took_s=took.get(name, expected[name])
        )
        for index, (name, said) in enumerate(STAGE_NAMES.items())
    )


def _mark(index: int, reached: int) -> str:
    return "past" if index < reached else "now" if index == reached else ""


def _usual_stages() -> dict[str, float]:
    """What each stage took in the middle of the last fifty, or is assumed to take before any was measured."""
    stages = SandboxEvent.objects.filter(kind=SandboxEvent.STAGE, old__in=STAGE_NAMES).order_by("-pk")
    measured: dict[str, list[float]] = {}
    for name, took_s in stages.values_list("old", "took_s")[: SAMPLE * len(STAGE_NAMES)]:
        measured.setdefault(name, []).append(took_s)
    return ASSUMED_STAGES_S | {
        name: statistics.median(took) for name, took in measured.items() if len(took) >= ENOUGH
    }


def active_faults(sandbox: Sandbox) -> tuple[FaultRecord, ...]:
    """The faults that are in a sandbox now."""
    return tuple(FaultRecord.objects.filter(sandbox=sandbox, undone_at=None))


def _ago(then: datetime | None) -> str:
    """How long ago, as a person would say it."""
    if then is None or timezone.now() - then < timedelta(minutes=1):
        return "just now"
    return f"{timesince(then)} ago"


def why_alive(sandbox: Sandbox) -> WhyAlive:
    """What the "why is it alive" page says."""
    return WhyAlive(
        started_at=sandbox.begun_at,
        started_ago=_ago(sandbox.begun_at),
        last_source=_SOURCES.get(sandbox.last_activity_source, sandbox.last_activity_source),
        last_at=sandbox.last_activity_at,
        last_ago=_ago(sandbox.last_activity_at),
        expires_at=sandbox.expires_at,
        idle_minutes=int(expiry.IDLE.total_seconds() // 60),
        profile=sandbox.profile,
        events=tuple(sandbox.events.order_by("-pk")[:12]),
    )


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


def pool_rows() -> tuple[PoolRow, ...]:
    """One row for each open cluster and profile."""
    return ()


def queue_rows() -> tuple[QueueRow, ...]:
    """Everybody who waits for a place, in order, cluster by cluster."""
    return ()


def failures_by_cause(since: datetime) -> tuple[FailureRow, ...]:
    """Why sandboxes failed since then."""
    return ()
