"""What a lab's panel shows of each task: pure arithmetic over rows that were already read.

Knows neither templates nor the database; `lessons/lab.html` prints what is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from lessons.checks import State
from lessons.grading import ladder_of, ladder_open
from lessons.labs import Lab, Task

EVIDENCE_SHOWN = 3
HINT_NAMES = ("A nudge", "A pointer", "Nearly the solution")
_MARKS = {
    State.PASS: ("done", "ok"),
    State.FAIL: ("fail", "bad"),
    State.WAITING: ("wait", "wait"),
    State.NOT_READY: ("wait", "none"),
    State.TIMED_OUT: ("wait", "wait"),
    State.BROKEN: ("ours", "ours"),
}
_WORDS = {
    State.PASS: "done",
    State.FAIL: "failed",
    State.WAITING: "watching",
    State.NOT_READY: "waiting for your sandbox",
    State.TIMED_OUT: "ran out of time",
    State.BROKEN: "ours",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStanding:
    """A TaskProgress row as this module needs it; times in seconds since the epoch, None for never."""

    state: str = "waiting"
    verdict: Mapping[str, Any] = field(default_factory=dict)
    judged_at: float | None = None
    took_ms: int = 0
    activated_at: float | None = None
    passed_at: float | None = None
    points: int = 0
    failures: Mapping[str, Any] = field(default_factory=dict)
    hints: Mapping[str, int] = field(default_factory=dict)
    last_cause: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HintRow:
    """One step. state: "open" with its text, "ready" to be opened, or "locked"; minutes: until it unlocks."""

    step: int
    name: str
    state: str
    text: str = ""
    minutes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRow:
    """One task on the panel. css: the list item's class; mark: the mark's; word, at: at the right.

    points: what was given for it, None while it never passed; earlier: the hints are of a cause before this.
    """

    task: Task
    text: str
    css: str
    mark: str
    word: str
    open: bool
    at: datetime | None = None
    points: int | None = None
    sentence: str = ""
    cause: str = ""
    judged_at: datetime | None = None
    took_s: float = 0.0
    evidence: tuple[Mapping[str, Any], ...] = ()
    more: tuple[Mapping[str, Any], ...] = ()
    seen: int = 0
    kept: int = 0
    look: str = ""
    done: int = 0
    of: int = 0
    hints: tuple[HintRow, ...] = ()
    hint_cause: str = ""
    earlier: bool = False
    can_check: bool = False


def task_rows(
    lab: Lab, texts: Mapping[str, str], standings: Mapping[str, TaskStanding], *, begun: bool, now: float
) -> tuple[TaskRow, ...]:
    """The rows of a lab's tasks. begun: there is an attempt under way."""
    return tuple(
        _row(lab, task, n, texts.get(task.id, ""), standings.get(task.id, TaskStanding()), begun, now)
        for n, task in enumerate(lab.tasks, start=1)
    )


def _row(lab: Lab, task: Task, n: int, text: str, standing: TaskStanding, begun: bool, now: float) -> TaskRow:
    state = State(standing.state)
    if state is not State.PASS and (not begun or standing.activated_at is None):
        return _idle_row(lab, task, text, standing, begun)
    css, mark = _MARKS[state]
    verdict = standing.verdict
    rows = tuple(_evidence(row) for row in verdict.get("evidence", ()))
    return TaskRow(
        task=task,
        text=text,
        css=css,
        mark=mark,
        word=_word(state, standing),
        open=state is not State.PASS,
        at=_moment(standing.judged_at) if state is State.PASS else None,
        points=_points(standing),
        sentence=verdict.get("sentence") or (task.done if state is State.PASS else task.waiting),
        cause=verdict.get("cause", "") if state in (State.FAIL, State.BROKEN) else "",
        judged_at=_moment(standing.judged_at),
        took_s=standing.took_ms / 1000,
        evidence=rows[:EVIDENCE_SHOWN],
        more=rows[EVIDENCE_SHOWN:],
        seen=int(verdict.get("seen", 0)),
        kept=len(rows),
        look=verdict.get("look", ""),
        done=int(verdict.get("done", 0)),
        of=int(verdict.get("of", 0)),
        hints=_hints(lab, standing, now) if state is not State.PASS else (),
        hint_cause=standing.last_cause,
        earlier=verdict.get("cause") != standing.last_cause,
        can_check=state is not State.PASS,
    )


def _idle_row(lab: Lab, task: Task, text: str, standing: TaskStanding, begun: bool) -> TaskRow:
    """A task that is not being watched: not begun, or locked behind another."""
    if standing.passed_at is not None:
        at = _moment(standing.passed_at)
        return TaskRow(
            task=task,
            text=text,
            css="done",
            mark="ok",
            word="done",
            at=at,
            points=standing.points,
            open=False,
            sentence=standing.verdict.get("sentence") or task.done,
        )
    numbers = [n for n, other in enumerate(lab.tasks, start=1) if other.id in task.requires]
    after = f"after task {' and '.join(map(str, numbers))}" if numbers and begun else ""
    return TaskRow(task=task, text=text, css="later", mark="none", word=after, open=False)


def _points(standing: TaskStanding) -> int | None:
    return standing.points if standing.passed_at is not None else None


def _word(state: State, standing: TaskStanding) -> str:
    of = int(standing.verdict.get("of", 0))
    if state is State.WAITING and of:
        return f"watching, {int(standing.verdict.get('done', 0))} of {of}"
    return _WORDS[state]


def _hints(lab: Lab, standing: TaskStanding, now: float) -> tuple[HintRow, ...]:
    ladder = ladder_of(lab, standing.last_cause)
    failures, first = standing.failures.get(standing.last_cause, (0, 0.0))
    if not ladder or not failures:
        return ()
    allowed, wait_s = ladder_open(failures, first, now)
    opened = standing.hints.get(standing.last_cause, 0)
    return tuple(_hint(step, ladder, allowed, opened, wait_s) for step in range(1, len(ladder) + 1))


def _hint(step: int, ladder: tuple[str, ...], allowed: int, opened: int, wait_s: float) -> HintRow:
    name = HINT_NAMES[step - 1]
    if step <= opened:
        return HintRow(step=step, name=name, state="open", text=ladder[step - 1])
    if step <= allowed:
        return HintRow(step=step, name=name, state="ready" if step == opened + 1 else "locked")
    minutes = max(1, round(wait_s / 60)) if step == allowed + 1 else 0
    return HintRow(step=step, name=name, state="locked", minutes=minutes)


def _evidence(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A row with what the template prints: the place for the board, and when it was, UTC."""
    placed = row.get("partition") is not None and row.get("offset") is not None
    see = f"{row['topic']}:{row['partition']}:{row['offset']}" if placed else ""
    at = _moment(row.get("at") or None)
    return {**row, "see": see, "at": at, "clock": at.strftime("%H:%M:%S.%f")[:-3] if at else ""}


def _moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, tz=UTC) if at is not None else None
