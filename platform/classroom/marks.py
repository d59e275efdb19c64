"""How one task of one student stands, as the class page draws it; pure arithmetic over rows that were read.

Each kind has a shape and a word. Once passed is passed: a later attempt takes nothing away.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from classroom.stuck import OpenTask, Reason, reason

# kind -> the class of its cell (static/css/staff.css) and its word.
KINDS = {
    "passed": ("p", "passed"),
    "working": ("w", "working"),
    "failed": ("f", "failed"),
    "late": ("t", "out of time"),
    "paused": ("z", "paused"),
    "ours": ("o", "ours"),
    "none": ("", "not begun"),
}
_OF_STATE = {
    "waiting": "working",
    "fail": "failed",
    "timed_out": "late",
    "not_ready": "paused",
    "broken": "ours",
    "pass": "passed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFacts:
    """A TaskProgress row with what matters of its attempt. Times in seconds since the epoch.

    is_open: its attempt is under way in the sandbox that the student has now.
    digest:  the lab version it was passed on.
    """

    lab_id: str
    task_id: str
    state: str
    is_open: bool
    begun_at: float | None
    judged_at: float | None
    passed_at: float | None
    points: int
    failures: Mapping[str, Any]
    cause: str
    digest: str = ""

    @property
    def times(self) -> int:
        """How often it failed for the cause it failed for last."""
        count: int = self.failures.get(self.cause, (0, 0.0))[0]
        return count

    @property
    def is_at_work(self) -> bool:
        """Begun, not passed, in an attempt that is under way."""
        return self.is_open and self.begun_at is not None and self.passed_at is None

    @property
    def moved_at(self) -> float:
        return max(self.begun_at or 0.0, self.judged_at or 0.0)

    @property
    def acted_at(self) -> float:
        """When the student last did something for it: not when it was our turn, or only the clock's."""
        judged = self.judged_at if self.state in {"pass", "fail", "waiting"} else None
        return max(self.begun_at or 0.0, judged or 0.0, self.passed_at or 0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One cell. times and cause: of a failure; stuck: why its student is stuck here."""

    kind: str = "none"
    times: int = 0
    cause: str = ""
    stuck: Reason | None = None

    @property
    def css(self) -> str:
        return f"{KINDS[self.kind][0]}{' s' if self.stuck else ''}"

    @property
    def word(self) -> str:
        """What is read out, and what stands there as text."""
        word = KINDS[self.kind][1]
        if self.kind == "failed":
            word = f"{word} {self.times} time{'' if self.times == 1 else 's'}, {self.cause}"
        return f"stuck, {word}" if self.stuck else word


NOTHING = Mark()


def mark_of(
    facts: TaskFacts | None, *, active_at: float | None, now: float, still_since: float | None = None
) -> Mark:
    """The cell of a task; without a row it is not begun. still_since: as in stuck.OpenTask.

    Several tasks of a lab may be watched at once; one that only waits is shown where the student is at.
    """
    if facts is None:
        return NOTHING
    if facts.passed_at is not None:
        return Mark(kind="passed")
    only_watched = facts.state == "waiting" and facts.is_open and still_since is None
    if facts.begun_at is None or only_watched:
        return NOTHING
    kind = _OF_STATE.get(facts.state, "working")
    if not facts.is_open and kind in {"working", "late"}:
        kind = "paused"
    failed = kind == "failed"
    return Mark(
        kind=kind,
        times=facts.times if failed else 0,
        cause=facts.cause if failed else "",
        stuck=_stuck(facts, active_at, now, still_since),
    )


def _stuck(facts: TaskFacts, active_at: float | None, now: float, still_since: float | None) -> Reason | None:
    if not facts.is_at_work:
        return None
    task = OpenTask(state=facts.state, cause=facts.cause, times=facts.times, still_since=still_since)
    return reason(task, active_at=active_at, now=now)


def task_at(tasks: Iterable[TaskFacts]) -> TaskFacts | None:
    """The task a student is at: in the lab where something moved last, what fails, else what is first."""
    at_work = [facts for facts in tasks if facts.is_at_work]
    if not at_work:
        return None
    lab_id = max(at_work, key=lambda facts: facts.moved_at).lab_id
    here = [facts for facts in at_work if facts.lab_id == lab_id]
    failing = [facts for facts in here if facts.state == "fail"]
    return max(failing, key=lambda facts: facts.moved_at) if failing else here[0]


def still_since(tasks: Iterable[TaskFacts], lab_id: str) -> float:
    """When anything in this lab last moved: a task begun, judged anew or passed."""
    return max(max(f.moved_at, f.passed_at or 0.0) for f in tasks if f.lab_id == lab_id)
