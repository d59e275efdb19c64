"""One sandbox from its row and its events: what it is, and everything that happened to it and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby

from django.utils import timezone

from sandboxes import expiry
from sandboxes.console import words
from sandboxes.console.starts import STEPS, Start, last_start
from sandboxes.console.words import Kind
from sandboxes.lifecycle import ALIVE, PASSING, State
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent

SHOWN = 200
_ACTS = {
    "extend": "Kept awake for another while",
    "hold": "Held awake",
    "claim": "Given to its owner from the pool",
    "freeze": "Frozen",
    "thaw": "Thawed",
}
_ACTORS = {
    "student": "its owner",
    "instructor": "an instructor",
    "admin": "an admin",
    "worker": "Millrace",
    "sweep": "the sweep",
    "check": "a check",
    "backup": "a backup",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One line of the timeline. mark: the shape of a state, "" for what is no state; is_old: not of today."""

    at: datetime
    is_old: bool
    what: str
    mark: str
    who: str
    is_person: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in one state, for the picture of its life; x and width in thousandths of the whole."""

    kind: Kind
    lasted: str
    x: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """Everything the page says of one sandbox without asking its machine."""

    sandbox: Sandbox
    kind: Kind
    sentence: str
    since: str
    moments: tuple[Moment, ...]
    older: int
    start: Start | None
    life: tuple[Stretch, ...]
    life_from: datetime
    life_to: datetime
    faults: tuple[FaultRecord, ...]
    used_for: str
    sleeps: str
    cap_at: datetime | None
    held: str
    lease_left: str

    @property
    def legend(self) -> tuple[tuple[str, str], ...]:
        """What the picture of its life is drawn with, each once: a kind, and what it stands for."""
        shown = {stretch.kind.name: stretch.kind for stretch in self.life}
        said = {"on its way" if kind.mark == "wait" else kind.word: name for name, kind in shown.items()}
        return tuple((name, word) for word, name in said.items())


def story(sandbox: Sandbox) -> Story:
    """Four queries, whatever happened."""
    now = timezone.now()
    events = list(sandbox.events.select_related("by").order_by("-pk")[:SHOWN])[::-1]
    moves = list(sandbox.events.filter(kind=SandboxEvent.MOVE).order_by("-pk")[:SHOWN])[::-1]
    kind = words.kind_of_sandbox(sandbox)
    since = words.since(words.kind_since(sandbox, _turned_at(events)), now)
    is_awake = sandbox.now in ALIVE
    begun = last_start(events, now=now)
    begins = moves[0].at if moves else sandbox.created_at
    ends = sandbox.state_since if sandbox.now is State.DELETED else now
    return Story(
        sandbox=sandbox,
        kind=kind,
        sentence=_sentence(sandbox, kind, since, now),
        since=since,
        moments=_moments(events, now),
        older=max(0, sandbox.events.count() - len(events)),
        start=begun,
        life=_life(moves, begins, ends),
        life_from=begins,
        life_to=ends,
        faults=tuple(FaultRecord.objects.filter(sandbox=sandbox).order_by("-pk")[:10]),
        used_for=_used_for(sandbox, now),
        sleeps=_until(sandbox.expires_at, now) if is_awake else words.NOTHING,
        cap_at=expiry.hard_cap(sandbox) if is_awake and sandbox.begun_at else None,
        held=_held(sandbox, events, now),
        lease_left=_until(sandbox.lease_until, now)
        if sandbox.lease_until and sandbox.lease_until > now
        else "",
    )


def _until(then: datetime | None, now: datetime) -> str:
    return words.NOTHING if then is None else words.lasting(max(0.0, (then - now).total_seconds()))


def _turned_at(events: Sequence[SandboxEvent]) -> datetime | None:
    acts = (event for event in reversed(events) if event.kind == SandboxEvent.ACT)
    return next((act.at for act in acts if act.new in words.TURNS), None)


def _sentence(sandbox: Sandbox, kind: Kind, since: str, now: datetime) -> str:
    """What a person would say of it."""
    if sandbox.now is State.FAILED:
        again = (
            f" It is tried again by itself at {sandbox.retry_at:%H:%M:%S} UTC." if sandbox.retry_at else ""
        )
        return f"Failed {since} ago: {sandbox.failure_sentence}{again}"
    if sandbox.now is State.DELETED:
        return f"It is gone, deleted {since} ago; what is left of it are its events."
    if sandbox.now is State.QUARANTINED:
        return f"Its machine has not let go of it for {since}. {sandbox.detail}"
    if sandbox.now is State.DELETING:
        return f"Its deletion began {since} ago. {sandbox.detail}"
    if sandbox.now in PASSING:
        return f"It has been {kind.word} for {since}. {sandbox.detail}"
    if sandbox.now is State.WARM:
        return f"Warm for {since}: proven, frozen, and for whoever starts next."
    if sandbox.now is State.SUSPENDED:
        return f"Asleep for {since}, with all its data."
    if sandbox.now is State.DEGRADED:
        return f"Degraded for {since}. {sandbox.detail}"
    if sandbox.frozen:
        rests = "it is ready, but nothing needs it, so it uses no processor until something does"
        return f"Frozen for {since}: {rests}; {_why_alive(sandbox, now)}"
    return f"{kind.word.capitalize()} for {since}; {_why_alive(sandbox, now)}"


def _why_alive(sandbox: Sandbox, now: datetime) -> str:
    used = words.since(sandbox.last_activity_at, now)
    counted = f"what counted last was {used} ago" if sandbox.last_activity_at else "nothing has counted yet"
    if sandbox.held_until and sandbox.held_until > now:
        return f"{counted}, and it is held awake until {sandbox.held_until:%H:%M} UTC."
    return f"{counted}, and without more it sleeps in {_until(sandbox.expires_at, now)}."


def _used_for(sandbox: Sandbox, now: datetime) -> str:
    if sandbox.last_activity_at is None:
        return "nothing yet"
    said = words.USES.get(sandbox.last_activity_source, sandbox.last_activity_source)
    return f"{said}, {words.since(sandbox.last_activity_at, now)} ago"


def _moments(events: Sequence[SandboxEvent], now: datetime) -> tuple[Moment, ...]:
    """Newest first; the stages of one start together on one line, each with what it took."""
    moments: list[Moment] = []
    for is_stage, group in groupby(events, key=lambda event: event.kind == SandboxEvent.STAGE):
        part = list(group)
        if is_stage:
            until = events[events.index(part[-1]) + 1 :][:1]
            moments.append(_stages(part, until[0].at if until else now, now))
        else:
            moments.extend(_moment(event, now) for event in part)
    return tuple(reversed(moments))


def _stages(part: Sequence[SandboxEvent], until: datetime, now: datetime) -> Moment:
    ends = [*(event.at for event in part[1:]), until]
    lasted = (
        f"{_small(STEPS.get(event.new, event.new))} {words.took((end - event.at).total_seconds())}"
        for event, end in zip(part, ends, strict=True)
        if event.new
    )
    return replace(_moment(part[0], now), what="In stages", detail=", ".join(lasted))


def _held(sandbox: Sandbox, events: Sequence[SandboxEvent], now: datetime) -> str:
    """Until when somebody keeps it awake, and who."""
    if sandbox.now not in ALIVE or sandbox.held_until is None or sandbox.held_until <= now:
        return "by nobody"
    last = next((event for event in reversed(events) if event.new == "hold"), None)
    who = f", by {last.by.shown_name}" if last and last.by else ""
    return f"until {sandbox.held_until:%H:%M} UTC{who}"


def _small(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:]


def _moment(event: SandboxEvent, now: datetime) -> Moment:
    person = event.by.shown_name if event.by else ""
    return Moment(
        at=event.at,
        is_old=event.at.date() != now.date(),
        what=_what(event),
        mark=words.kind_of(event.new, frozen=False).mark if event.kind == SandboxEvent.MOVE else "",
        who=f"{person}, {event.actor}" if person else _ACTORS.get(event.actor, event.actor),
        is_person=bool(person),
        detail=_detail(event),
    )


def _what(event: SandboxEvent) -> str:
    if event.kind == SandboxEvent.STAGE:
        return STEPS.get(event.new, event.new)
    if event.kind == SandboxEvent.FAULT:
        return f"Fault put in: {event.new}" if event.new else f"Fault taken out: {event.old}"
    if event.kind == SandboxEvent.ACT:
        return _ACTS.get(event.new, event.new.capitalize())
    return words.kind_of(event.new, frozen=False).word.capitalize()


def _detail(event: SandboxEvent) -> str:
    """What was said of it, and how long it had been in the state that it left."""
    parts = [event.detail.rstrip(".")] if event.detail else []
    if event.kind == SandboxEvent.MOVE and event.old:
        parts.append(f"after {words.took(event.took_s)} {words.kind_of(event.old, frozen=False).word}")
    return "; ".join(parts)


def _life(moves: Sequence[SandboxEvent], begins: datetime, ends: datetime) -> tuple[Stretch, ...]:
    """Each time in a state, as wide as it was long; short ones keep a sliver, so that none goes unseen."""
    if not moves:  # a row that was made by hand, without its history
        return ()
    whole_s = max((ends - begins).total_seconds(), 0.001)
    until = [*(move.at for move in moves[1:]), ends]
    return tuple(
        Stretch(
            kind=words.kind_of(move.new, frozen=False),
            lasted=words.lasting((end - move.at).total_seconds()),
            x=round((move.at - begins).total_seconds() / whole_s * 1000),
            width=max(3, round((end - move.at).total_seconds() / whole_s * 1000)),
        )
        for move, end in zip(moves, until, strict=True)
        if move.new != State.DELETED
    )
