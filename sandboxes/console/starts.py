"""How the last start of a sandbox went, stage by stage, measured between its events."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from sandboxes.console import words
from sandboxes.lifecycle import State
from sandboxes.models import SandboxEvent

STEPS = {
    "queued": "Waited for room",
    "provisioning": "Asked its machine",
    "resuming": "Asked its machine",
    "binding": "Handed over",
    "namespaces": "Its walls",
    "kafka": "Its broker",
    "probe": "Proof that Kafka answers",
    "": "Seen to run",  # the stage that follows the last one
}
_UNDER_WAY = frozenset({State.QUEUED, State.PROVISIONING, State.BINDING, State.RESUMING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage. mark: "past", "now" or "halt"; x, width: its place in the whole start, in thousandths."""

    what: str
    took: str
    mark: str
    x: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """A start, a wake or a hand-over. ended: the word of the state it led to, "" while it is under way."""

    at: datetime
    took: str
    ended: str
    steps: tuple[Step, ...]


def last_start(events: Sequence[SandboxEvent], *, now: datetime) -> Start | None:
    """From the last event that begins one to the first after it that ends one; events oldest first."""
    passed = [event for event in events if event.kind in {SandboxEvent.MOVE, SandboxEvent.STAGE}]
    begins = [index for index, event in enumerate(passed) if _begins(event)]
    if not begins:
        return None
    part = passed[begins[-1] :]
    end = next((index for index, event in enumerate(part) if _ends(event)), None)
    over = part[end] if end is not None else None
    part = part[:end]
    ends_at = over.at if over else now
    whole_s = max((ends_at - part[0].at).total_seconds(), 0.001)
    moments = [*(event.at for event in part), ends_at]
    steps = [
        Step(
            what=STEPS.get(event.new, event.new),
            took=words.took((until - since).total_seconds()),
            mark="past",
            x=round((since - part[0].at).total_seconds() / whole_s * 1000),
            width=max(4, round((until - since).total_seconds() / whole_s * 1000)),
        )
        for event, (since, until) in zip(part, pairwise(moments), strict=True)
    ]
    ended = words.kind_of(over.new, frozen=False) if over else None
    return Start(
        at=part[0].at,
        took=words.took(whole_s),
        ended=ended.word if ended else "",
        steps=(*steps[:-1], _last(steps[-1], over)),
    )


def _last(step: Step, over: SandboxEvent | None) -> Step:
    """The last stage is under way, was got over, or is where it failed."""
    mark = "now" if over is None else "halt" if over.new == State.FAILED else "past"
    return Step(what=step.what, took=step.took, mark=mark, x=step.x, width=step.width)


def _begins(event: SandboxEvent) -> bool:
    """Into the queue, out of sleep, or out of the pool."""
    if event.kind != SandboxEvent.MOVE:
        return False
    is_claim = event.old == State.WARM and event.new == State.BINDING
    return is_claim or event.new in {State.QUEUED, State.RESUMING}


def _ends(event: SandboxEvent) -> bool:
    return event.kind == SandboxEvent.MOVE and event.new not in _UNDER_WAY
