"""What a judge says about one task, and the few words it says it with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lessons.checks.facts import AttemptFacts
    from sandboxes.view import SandboxView

EVIDENCE_MAX = 50


class State(StrEnum):
    """How a task stands. Only FAIL counts against a student; BROKEN is ours."""

    WAITING = "waiting"
    PASS = "pass"  # noqa: S105 - a word, not a password
    FAIL = "fail"
    NOT_READY = "not_ready"
    TIMED_OUT = "timed_out"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One row of what the judge saw; every field may be left out.

    topic, partition, offset: a place in the log; at: seconds since the epoch; key: the record's key.
    note: a few words for the student.
    """

    topic: str = ""
    partition: int | None = None
    offset: int | None = None
    at: float | None = None
    key: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The state of a task and why.

    cause:    UPPER_SNAKE, only for FAIL (a hint ladder hangs on it) and BROKEN (the reference to quote).
    sentence: for the student: what is so, with the raw values expected and seen.
    seen:     how many evidence rows there were before the list was cut to EVIDENCE_MAX.
    look:     where to read on: the id of a heading of the lesson.
    done, of: progress of a task that counts towards something; of=0 when it does not count.
    """

    state: State
    cause: str = ""
    sentence: str = ""
    evidence: tuple[Evidence, ...] = ()
    seen: int = 0
    look: str = ""
    done: int = 0
    of: int = 0


def _rows(evidence: Iterable[Evidence]) -> tuple[tuple[Evidence, ...], int]:
    rows = tuple(evidence)
    return rows[:EVIDENCE_MAX], len(rows)


def Pass(sentence: str = "", *, evidence: Iterable[Evidence] = ()) -> Verdict:  # noqa: N802 - reads as a word
    """The cluster shows that the task is done."""
    rows, seen = _rows(evidence)
    return Verdict(state=State.PASS, sentence=sentence, evidence=rows, seen=seen)


def Fail(cause: str, sentence: str, *, evidence: Iterable[Evidence] = (), look: str = "") -> Verdict:  # noqa: N802
    """The cluster shows a mistake; `cause` names it and finds the hints."""
    rows, seen = _rows(evidence)
    return Verdict(state=State.FAIL, cause=cause, sentence=sentence, evidence=rows, seen=seen, look=look)


def Waiting(  # noqa: N802
    sentence: str = "", *, done: int = 0, of: int = 0, evidence: Iterable[Evidence] = ()
) -> Verdict:
    """Nothing wrong is seen and the task is not done yet."""
    rows, seen = _rows(evidence)
    return Verdict(state=State.WAITING, sentence=sentence, done=done, of=of, evidence=rows, seen=seen)


def NotReady(sentence: str) -> Verdict:  # noqa: N802
    """The sandbox could not be asked; nothing is known about the student's work."""
    return Verdict(state=State.NOT_READY, sentence=sentence)


def TimedOut(sentence: str) -> Verdict:  # noqa: N802
    """The time the task allows went by without a result."""
    return Verdict(state=State.TIMED_OUT, sentence=sentence)


def Broken(reference: str, sentence: str) -> Verdict:  # noqa: N802
    """The check itself failed: our fault. `reference` finds the log line."""
    return Verdict(state=State.BROKEN, cause=reference, sentence=sentence)


Judge = Callable[["SandboxView", "AttemptFacts"], Verdict]
