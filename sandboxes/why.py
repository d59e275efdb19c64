"""Why a sandbox is alive: what last counted as use, until when it is awake, and what happened to it."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone
from django.utils.timesince import timesince

from sandboxes import expiry
from sandboxes.lifecycle import ALIVE, State
from sandboxes.models import Sandbox, SandboxEvent

LATEST = 12
ALL = 300
SHORTEST_S = 0.01

_SOURCES = {
    "start": "it was started",
    "wake": "it was woken",
    "file": "a file was changed",
    "program": "a program ran",
    "check": "a task of a lab was checked",
    "fault": "something was broken on purpose",
    "extend": "more time was asked for",
}
_STATES = {
    "": "nothing",
    State.QUEUED: "in the queue",
    State.PROVISIONING: "starting",
    State.WARM: "kept warm",
    State.BINDING: "on its way to its owner",
    State.READY: "ready",
    State.DEGRADED: "broker down",
    State.SUSPENDING: "going to sleep",
    State.SUSPENDED: "asleep",
    State.RESUMING: "waking",
    State.FAILED: "failed",
    State.DELETING: "being removed",
    State.DELETED: "gone",
    State.QUARANTINED: "set aside",
}
_STAGES = {
    "namespaces": "walls are put around it",
    "kafka": "its broker starts",
    "probe": "its Kafka is asked to answer",
}
_PROVEN = "its Kafka has answered"
_ACTS = {
    "extend": "asked to be kept awake",
    "hold": "held awake",
    "claim": "taken while it was starting for the pool",
    "freeze": "frozen: nothing needed it",
    "thaw": "thawed: something needed it",
}
_ACTORS = {"worker": "", "sweep": "", "student": "its owner", "check": "a lab"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline. who: "" for the platform; before: what ended then, and its time."""

    at: datetime
    kind: str
    what: str
    who: str
    detail: str
    before: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WhyAlive:
    """What the page says.

    cap_at: when it is put to sleep even in use; held_until: until when `holder` keeps it awake.
    hidden: how many earlier moments are not among `moments`.
    """

    awake: bool
    started_at: datetime | None
    started_ago: str
    last_source: str
    last_at: datetime | None
    last_ago: str
    expires_at: datetime | None
    cap_at: datetime | None
    held_until: datetime | None
    holder: str
    frozen: bool
    idle_minutes: int
    cap_hours: int
    moments: tuple[Moment, ...]
    hidden: int


def why_alive(sandbox: Sandbox, *, latest: int = LATEST) -> WhyAlive:
    """Everything on the page, newest moment first; three queries."""
    events = list(sandbox.events.select_related("by").order_by("-pk")[:latest])
    awake = sandbox.now in ALIVE
    held = sandbox.held_until if sandbox.held_until and sandbox.held_until > timezone.now() else None
    return WhyAlive(
        awake=awake,
        started_at=sandbox.begun_at,
        started_ago=ago(sandbox.begun_at),
        last_source=_SOURCES.get(sandbox.last_activity_source, sandbox.last_activity_source),
        last_at=sandbox.last_activity_at,
        last_ago=ago(sandbox.last_activity_at),
        expires_at=sandbox.expires_at if awake else None,
        cap_at=expiry.hard_cap(sandbox) if awake else None,
        held_until=held,
        holder=_holder(sandbox) if held else "",
        frozen=sandbox.frozen,
        idle_minutes=int(expiry.IDLE.total_seconds() // 60),
        cap_hours=expiry.CAP_HOURS,
        moments=tuple(_moment(event) for event in events),
        hidden=max(0, sandbox.events.count() - len(events)),
    )


def ago(then: datetime | None) -> str:
    """How long ago, as a person would say it."""
    if then is None or timezone.now() - then < timedelta(minutes=1):
        return "just now"
    return f"{timesince(then)} ago"


def _holder(sandbox: Sandbox) -> str:
    last = sandbox.events.filter(kind=SandboxEvent.ACT, new="hold").select_related("by").last()
    return _who(last) if last else ""


def _moment(event: SandboxEvent) -> Moment:
    return Moment(
        at=event.at,
        kind=event.kind,
        what=_what(event),
        who=_who(event),
        detail=event.detail,
        before=_before(event),
    )


def _before(event: SandboxEvent) -> str:
    """`kept warm, 2 min`; "" for what ends nothing, or nothing that lasted."""
    words = {SandboxEvent.MOVE: _STATES, SandboxEvent.STAGE: _STAGES}.get(event.kind)
    if words is None or not event.old or event.took_s < SHORTEST_S:
        return ""
    return f"{words.get(event.old, event.old)}, {_lasting(event.took_s)}"


def _lasting(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2f} s"
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.0f} min"


def _what(event: SandboxEvent) -> str:
    if event.kind == SandboxEvent.STAGE:
        return _STAGES.get(event.new, event.new) if event.new else _PROVEN
    if event.kind == SandboxEvent.FAULT:
        kind = (event.new or event.old).replace("_", " ")
        return f"fault {'put in' if event.new else 'taken out'}: {kind}"
    if event.kind == SandboxEvent.ACT:
        return _ACTS.get(event.new, event.new)
    return _STATES.get(event.new, event.new)


def _who(event: SandboxEvent) -> str:
    """Staff by name, its owner as such, the platform not at all."""
    if event.by is not None and event.actor in {"instructor", "admin"}:
        return f"{event.by.shown_name}, {event.actor}"
    return _ACTORS.get(event.actor, event.actor)
