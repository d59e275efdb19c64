"""What an instructor or admin did to somebody's sandbox, as a sentence for the page that has it open."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db.models import QuerySet

from sandboxes.lifecycle import ALIVE, PASSING, UNBORN, State
from sandboxes.models import Sandbox, SandboxEvent

# What stays true (asleep, gone) is said for a day at most; the rest only while it is news.
LONGEST = timedelta(days=1)
NEWS = timedelta(minutes=15)
_WHO = {"admin": "An admin", "instructor": "An instructor", "backup": "An admin"}
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


def acts_of_staff(since: datetime) -> QuerySet[SandboxEvent]:
    """What there may be a word about, when `since` is LONGEST ago."""
    return SandboxEvent.objects.filter(actor__in=_WHO, new__in=_SAID, at__gte=since)


def words_of_staff(live: Mapping[int, Sandbox | None], *, now: datetime) -> dict[int, Word]:
    """What staff did last to each owner's sandbox, where it still matters; one query.

    live: the sandbox that each of the owners has now, if any.
    """
    events = _events(live, now - LONGEST)
    words = {owner: _word(events[owner], sandbox, now) for owner, sandbox in live.items()}
    return {owner: word for owner, word in words.items() if word is not None}


def _word(events: list[_Event], sandbox: Sandbox | None, now: datetime) -> Word | None:
    last = next((event for event in reversed(events) if event.actor in _WHO), None)
    if last is None:
        return None
    said = _said(last, events, sandbox, is_news=now - last.at < NEWS)
    return Word(who=_WHO[last.actor], did=said[0], at=last.at, then=said[1]) if said else None


def _events(owners: Iterable[int], since: datetime) -> Mapping[int, list[_Event]]:
    """By owner. Sorted here: in order of their numbers, the database would read everybody's."""
    rows: Iterable[tuple[Any, ...]] = (
        SandboxEvent.objects.filter(sandbox__owner__in=list(owners), at__gte=since, new__in=_SAID)
        .order_by()
        .values_list("sandbox__owner", "pk", "sandbox_id", "kind", "old", "new", "actor", "at", "detail")
    )
    found: dict[int, list[_Event]] = defaultdict(list)
    for owner, *fields in rows:
        found[owner].append(_Event(*fields))
    for events in found.values():
        events.sort(key=lambda event: event.number)
    return found


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
