"""What an instructor or admin did to somebody's sandbox, as a sentence for the page that has it open."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from accounts.models import User
from sandboxes.lifecycle import ALIVE, PASSING, UNBORN, State
from sandboxes.models import Sandbox, SandboxEvent

# What stays true (asleep, gone) is said for a day at most; the rest only while it is news.
LONGEST = timedelta(days=1)
NEWS = timedelta(minutes=15)
_WHO = {"admin": "An admin", "instructor": "An instructor"}
_BORN = {State.QUEUED.value, State.BINDING.value, "claim"}
_SAID = {*_BORN, State.SUSPENDING.value, State.DELETING.value, State.RESUMING.value, "extend", "hold"}
_ASLEEP = {State.SUSPENDING, State.SUSPENDED}
_GONE = "Its topics, records and files are gone; your verdicts and points stay."
_NEVER_YOURS = "Its start was cancelled; nothing of yours was in it."
_EMPTY = (
    "This one is new and empty: topics, records and files of the one before are gone; "
    "your verdicts and points stay."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """Who ("An admin"), did what ("stopped your sandbox"), when; then: what became of what was in it."""

    who: str
    did: str
    at: datetime
    then: str = ""


@dataclass(frozen=True, slots=True)
class _Event:
    number: int
    of: UUID
    kind: str
    old: str
    new: str
    actor: str
    at: datetime
    detail: str


def word_of_staff(owner: User, sandbox: Sandbox | None, *, now: datetime) -> Word | None:
    """What staff did last to the owner's sandbox, if it still matters; one query."""
    events = _events(owner, now - LONGEST)
    last = next((event for event in reversed(events) if event.actor in _WHO), None)
    if last is None:
        return None
    said = _said(last, events, sandbox, is_news=now - last.at < NEWS)
    return Word(who=_WHO[last.actor], did=said[0], at=last.at, then=said[1]) if said else None


def _events(owner: User, since: datetime) -> list[_Event]:
    """Sorted here: in order of their numbers, the database would read everybody's."""
    rows: Iterable[tuple[Any, ...]] = (
        SandboxEvent.objects.filter(sandbox__owner=owner, at__gte=since, new__in=_SAID)
        .order_by()
        .values_list("pk", "sandbox_id", "kind", "old", "new", "actor", "at", "detail")
    )
    return sorted((_Event(*row) for row in rows), key=lambda event: event.number)


def _said(
    last: _Event, events: list[_Event], sandbox: Sandbox | None, *, is_news: bool
) -> tuple[str, str] | None:
    """What was done and what then; None when it is over."""
    if last.new == State.DELETING:
        return _deleted(last, events, sandbox, is_news=is_news)
    if sandbox is None or last.of != sandbox.pk:
        return None
    if last.new == State.SUSPENDING:
        return ("stopped your sandbox", _why(last)) if sandbox.now in _ASLEEP else None
    if not is_news or sandbox.now not in ALIVE | PASSING:
        return None
    if last.kind == SandboxEvent.ACT and last.new in ("extend", "hold"):
        return _kept_awake(last)
    return _begun(last, events)


def _deleted(
    last: _Event, events: list[_Event], sandbox: Sandbox | None, *, is_news: bool
) -> tuple[str, str] | None:
    again = any(event.new == State.DELETING and event.number > last.number for event in events)
    if again or (sandbox is not None and not is_news):
        return None
    return "deleted your sandbox", _because(_NEVER_YOURS if last.old in UNBORN else _GONE, last)


def _why(event: _Event) -> str:
    """The reason that was typed with it, if one was."""
    return f"The reason given: “{event.detail.rstrip('.')}”." if event.detail else ""


def _because(then: str, event: _Event) -> str:
    return f"{then} {_why(event)}".strip()


def _kept_awake(last: _Event) -> tuple[str, str] | None:
    if last.new == "extend":
        return "gave your sandbox more time", ""
    if last.detail.endswith(": let go"):
        return "let your sandbox go to sleep again", "It does when it is not used; everything in it is kept."
    return "keeps your sandbox awake", f"{last.detail[:1].upper()}{last.detail[1:]}."


def _begun(last: _Event, events: list[_Event]) -> tuple[str, str] | None:
    before = [event for event in events if event.number < last.number and event.actor == last.actor]
    if last.new in _BORN and before and before[-1].new == State.DELETING:
        return "started your sandbox over", _because(_EMPTY, before[-1])
    if last.new == State.RESUMING:
        return "woke your sandbox", ""
    return ("started your sandbox", "") if last.new in _BORN else None
