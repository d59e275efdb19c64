"""What needs a person, gravest first, each with a sentence that says what to do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlencode

from sandboxes import pulse
from sandboxes.console import words
from sandboxes.console.places import Place
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from sandboxes.selectors import GivenUpRow

LONG_DELETING = timedelta(minutes=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that needs a person. mark: how bad; link, label: where to look."""

    mark: str
    title: str
    sentence: str
    since: str = ""
    link: str = ""
    label: str = ""


def needs_of(
    places: Sequence[Place],
    lingering: Sequence[Sandbox],
    given_up: Sequence[GivenUpRow],
    swept_s: float | None,
    now: datetime,
) -> tuple[Need, ...]:
    """Gravest first."""
    return (
        *(_away(place) for place in places if place.why),
        *_overdue(swept_s),
        *_closed(places),
        *_given_up(given_up, now),
        *(_short(place, what) for place in places for what in _shortages(place)),
        *(_weak(place) for place in places if place.is_weak),
        *(
            _lingers(sandbox, now)
            for sandbox in sorted(lingering, key=_is_only_slow)
            if _is_long(sandbox, now)
        ),
    )


def _is_only_slow(sandbox: Sandbox) -> bool:
    """What is quarantined comes before what merely takes its time."""
    return sandbox.now is not State.QUARANTINED


def _away(place: Place) -> Need:
    return Need(
        mark="bad",
        title=f"{place.cluster.name} does not answer",
        sentence=f"{place.why} What is written of its {place.total} sandboxes is as it was last seen.",
    )


def _overdue(swept_s: float | None) -> tuple[Need, ...]:
    if swept_s is None:
        return (
            Need(
                mark="wait",
                title="No sweep seen yet",
                sentence="It runs every 10 s. If this stays, see that Redis, beat and a worker run.",
            ),
        )
    if swept_s <= pulse.OVERDUE_S:
        return ()
    return (
        Need(
            mark="bad",
            title="The sweep is overdue",
            sentence="Lost starts, expiry and orphans wait for it. See that beat and a worker run.",
            since=words.lasting(swept_s),
        ),
    )


def _closed(places: Sequence[Place]) -> tuple[Need, ...]:
    if not places or any(place.cluster.open for place in places):
        return ()
    return (
        Need(
            mark="bad",
            title="Every cluster is closed",
            sentence="Whoever presses Start is told that no new ones are started. Open one.",
        ),
    )


def _given_up(rows: Sequence[GivenUpRow], now: datetime) -> Iterator[Need]:
    """One need for each cause, what is ours before what its owner did."""
    for row in sorted(rows, key=lambda one: one.first.is_outgrown):
        first, count = row.first, row.count
        where = urlencode({"state": "failed", "cause": first.failure_cause})
        yield Need(
            mark="warn" if first.is_outgrown else "bad",
            title=f"{first.reference} was given up" if count == 1 else f"{count} sandboxes were given up",
            sentence=_why_given_up(first),
            since=words.since(first.state_since, now),
            link=f"{first.pk}/" if count == 1 else f"?{where}",
            label="Look at it" if count == 1 else "Show them",
        )


def _why_given_up(sandbox: Sandbox) -> str:
    """To staff, with the words that its owner reads as theirs."""
    cause = sandbox.failure_cause or "no cause was noted"
    told = f"Its owner is told: \u201c{sandbox.failure_sentence}\u201d"
    if sandbox.is_outgrown:
        return f"Its owner put in more than it may hold ({cause}), and can start over. {told}"
    return f"It failed ({cause}) and is not tried any more until somebody presses Start again. {told}"


def _shortages(place: Place) -> tuple[str, ...]:
    if place.machine is None:
        return ()
    short = (("memory", place.machine.is_short_of_memory), ("disk", place.machine.is_short_of_disk))
    return tuple(what for what, is_short in short if is_short)


def _short(place: Place, what: str) -> Need:
    return Need(
        mark="warn",
        title=f"{place.cluster.name} is short of {what}",
        sentence="Close it for new ones, or stop sandboxes that are not used.",
        link=f"?cluster={place.cluster.name}&sort=memory",
        label="The largest first",
    )


def _weak(place: Place) -> Need:
    return Need(
        mark="warn",
        title=f"{place.cluster.name}: {place.tier}",
        sentence="Programs are not held there as they should be; see deploy/README.md.",
    )


def _is_long(sandbox: Sandbox, now: datetime) -> bool:
    return sandbox.now is State.QUARANTINED or now - sandbox.state_since > LONG_DELETING


def _lingers(sandbox: Sandbox, now: datetime) -> Need:
    is_quarantined = sandbox.now is State.QUARANTINED
    return Need(
        mark="held" if is_quarantined else "warn",
        title=f"{sandbox.reference} {'is quarantined' if is_quarantined else 'will not end'}",
        sentence=sandbox.detail or "Its machine has not let go of it. It is tried again with every sweep.",
        since=words.since(sandbox.state_since, now),
        link=f"{sandbox.pk}/",
        label="Look at it",
    )
