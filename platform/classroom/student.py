"""One student: every lab with its tasks, every verdict with its evidence, hints, answers and the sandbox."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from accounts.models import User
from classroom.answers import AnswerRow, answer_rows
from classroom.columns import LabColumn, TaskColumn, column_of, columns
from classroom.evidence import Evidence, evidence_of
from classroom.facts import ClassFacts, StudentFacts, read_students
from classroom.marks import KINDS, Mark, TaskFacts
from classroom.room import Row, room_of, stamp_of
from lessons.labs import Lab
from lessons.models import Answer, Attempt, HintOpened, LabVersion, TaskProgress, VerdictRow
from lessons.panels import HINT_NAMES
from lessons.selectors import current_course
from sandboxes.console.story import Moment, Story, story
from sandboxes.console.words import lasting
from sandboxes.lifecycle import ALIVE

VERDICTS = 400
MOMENTS = 40
# state -> the shape (static/css/base.css) and the word of a result.
RESULTS = {
    "pass": ("ok", "passed"),
    "fail": ("bad", "failed"),
    "timed_out": ("wait", "out of time"),
    "broken": ("ours", "ours, not counted"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A verdict as it was shown, once and for all. asked: the student pressed Check."""

    at: datetime
    label: str
    mark: str
    word: str
    cause: str
    sentence: str
    evidence: Evidence
    asked: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Go:
    """One attempt at a lab, newest result first. end: "" while it is under way."""

    number: int
    began: datetime
    end: str
    results: tuple[Result, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HintTaken:
    cause: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskStory:
    """A task as it stands. causes: what it ever failed for, and how often.

    was_earlier: it was passed on another version of the lab than is served now; its points stay as given.
    """

    column: TaskColumn
    mark: Mark
    word: str
    sentence: str
    judged_at: datetime | None
    evidence: Evidence
    seen: int
    causes: tuple[tuple[str, int], ...]
    hints: tuple[HintTaken, ...]
    points: int
    passed_at: datetime | None
    was_earlier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LabStory:
    """One lab of one student. points: as given when the tasks were passed; whatever the lab says now."""

    column: LabColumn
    tasks: tuple[TaskStory, ...]
    goes: tuple[Go, ...]
    points: int
    state: str

    @property
    def anchor(self) -> str:
        return f"lab-{self.column.id.replace('.', '-')}"

    @property
    def results(self) -> int:
        return sum(len(go.results) for go in self.goes)

    @property
    def stamp(self) -> str:
        return stamp_of((self.tasks, self.goes, self.state))


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentPage:
    """What the page shows. labs: those begun, the one at hand first; left_out: older verdicts not shown."""

    user: User
    row: Row
    course: tuple[LabColumn, ...]
    labs: tuple[LabStory, ...]
    answers: tuple[AnswerRow, ...]
    story: Story | None
    left_out: int
    now: float

    @property
    def acted(self) -> str:
        """How long ago they did anything: `9 min`."""
        return lasting(self.now - self.row.acted_at) if self.row.acted_at else ""

    @property
    def at_for(self) -> str:
        """How long they have been where they are."""
        return lasting(self.now - self.row.place.since) if self.row.place.since is not None else ""

    @property
    def points(self) -> int:
        return sum(lab.points for lab in self.labs)

    @property
    def points_of(self) -> int:
        return sum(lab.points for lab in self.course)

    @property
    def ladder(self) -> tuple[tuple[TaskColumn, Mark], ...]:
        """Every task of the course with its mark."""
        return tuple((task, self.row.mark(task)) for lab in self.course for task in lab.tasks)

    @property
    def may_hold(self) -> bool:
        """Whether there is anything to keep awake."""
        return self.story is not None and self.story.sandbox.now in ALIVE

    @property
    def moments(self) -> tuple[Moment, ...]:
        """The sandbox's last events."""
        return self.story.moments[:MOMENTS] if self.story else ()

    @property
    def more_moments(self) -> int:
        return len(self.story.moments) + self.story.older - len(self.moments) if self.story else 0


def student_page(user: User, *, now: datetime) -> StudentPage:
    """Everything of one student; a fixed number of queries."""
    course = columns()
    facts = read_students([user])
    row = room_of(ClassFacts(students=facts), course, now=now.timestamp()).rows[0]
    history = _read_history(user)
    labs = _labs(facts[0], row, course, history)
    sandbox = facts[0].sandbox
    return StudentPage(
        user=user,
        row=row,
        course=course,
        labs=labs,
        answers=answer_rows(Answer.objects.filter(user=user).order_by("-at"), current_course()),
        story=story(sandbox) if sandbox else None,
        left_out=history.left_out,
        now=now.timestamp(),
    )


# -- reading -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _History:
    """By lab: attempts, oldest first; by attempt: results, newest first; by task: hints, latest verdict."""

    attempts: Mapping[str, list[Attempt]]
    results: Mapping[Any, list[VerdictRow]]
    hints: Mapping[tuple[str, str], list[HintOpened]]
    verdicts: Mapping[tuple[str, str], tuple[Mapping[str, Any], datetime | None]]
    left_out: int


def _read_history(user: User) -> _History:
    attempts, results, hints = defaultdict(list), defaultdict(list), defaultdict(list)
    for attempt in Attempt.objects.filter(user=user).order_by("activated_at"):
        attempts[attempt.lab_id_text].append(attempt)
    verdicts = VerdictRow.objects.filter(attempt__user=user)
    for row in verdicts.order_by("-pk")[:VERDICTS]:
        results[row.attempt_id].append(row)
    for hint in HintOpened.objects.filter(user=user).order_by("at"):
        hints[hint.lab_id, hint.task_id].append(hint)
    latest = TaskProgress.objects.filter(user=user).values_list("lab_id", "task_id", "verdict", "judged_at")
    return _History(
        attempts=attempts,
        results=results,
        hints=hints,
        verdicts={(lab, task): (verdict, at) for lab, task, verdict, at in latest},
        left_out=max(0, verdicts.count() - VERDICTS),
    )


# -- telling -----------------------------------------------------------------------------------------------


def _labs(
    facts: StudentFacts, row: Row, course: Sequence[LabColumn], history: _History
) -> tuple[LabStory, ...]:
    """The labs that were begun: the one at hand, then those touched last."""
    known = {lab.id: lab for lab in course}
    touched: dict[str, float] = defaultdict(float)
    for task in facts.tasks:
        touched[task.lab_id] = max(touched[task.lab_id], task.moved_at, task.passed_at or 0.0)
    order = sorted(touched, key=lambda lab_id: (lab_id != row.place.lab_id, -touched[lab_id], lab_id))
    return tuple(
        _lab(known.get(lab_id) or _former(history.attempts[lab_id]), facts, row, history)
        for lab_id in order
        if lab_id in known or history.attempts[lab_id]
    )


def _former(attempts: Sequence[Attempt]) -> LabColumn:
    """A lab that the course has no longer, as it was when it was last begun."""
    known = LabVersion.objects.only("digest", "lesson_slug", "spec")
    version = known.get(pk=attempts[-1].lab_id)
    return column_of(Lab.stored(version.spec), digest=version.digest, lesson=version.lesson_slug)


def _lab(column: LabColumn, facts: StudentFacts, row: Row, history: _History) -> LabStory:
    mine = {task.task_id: task for task in facts.tasks if task.lab_id == column.id}
    attempts = history.attempts[column.id]
    tasks = (_task(task, mine.get(task.id), row, column, history) for task in column.tasks)
    return LabStory(
        column=column,
        tasks=tuple(tasks),
        goes=_goes(attempts, column, history),
        points=sum(task.points for task in mine.values()),
        state=_state(column, attempts, mine),
    )


def _state(column: LabColumn, attempts: Sequence[Attempt], mine: Mapping[str, TaskFacts]) -> str:
    """How the lab stands, in a few words; done: every task that it has now."""
    passed = {name for name, task in mine.items() if task.passed_at is not None}
    if passed >= {task.id for task in column.tasks}:
        return "done"
    if any(task.is_open for task in mine.values()):
        return "under way"
    ended = not attempts or attempts[-1].ended_at is not None
    return "ended" if ended else "paused: its sandbox is gone, so it has to be begun again"


def _task(
    column: TaskColumn, facts: TaskFacts | None, row: Row, lab: LabColumn, history: _History
) -> TaskStory:
    key = (column.lab_id, column.id)
    mark = row.mark(column)
    verdict, judged_at = history.verdicts.get(key, ({}, None))
    is_told = mark.kind not in {"none", "passed"} or (facts is not None and facts.state == "pass")
    evidence = evidence_of(verdict.get("evidence", ())) if is_told else Evidence(rows=())
    return TaskStory(
        column=column,
        mark=mark,
        word=_word(mark),
        sentence=str(verdict.get("sentence", "")) if is_told else "",
        judged_at=judged_at,
        evidence=evidence,
        seen=max(int(verdict.get("seen", 0)), len(evidence.rows)) if is_told else 0,
        causes=_causes(facts),
        hints=tuple(_hint(hint) for hint in history.hints.get(key, ())),
        points=facts.points if facts else 0,
        passed_at=_moment(facts.passed_at) if facts else None,
        was_earlier=bool(facts and facts.digest and facts.digest != lab.digest),
    )


def _word(mark: Mark) -> str:
    word = KINDS[mark.kind][1]
    return f"{word} {mark.times} time{'' if mark.times == 1 else 's'}" if mark.times else word


def _causes(facts: TaskFacts | None) -> tuple[tuple[str, int], ...]:
    counted = facts.failures.items() if facts else ()
    return tuple(sorted(((cause, count) for cause, (count, _) in counted), key=lambda pair: -pair[1]))


def _hint(hint: HintOpened) -> HintTaken:
    return HintTaken(cause=hint.cause, name=HINT_NAMES[min(hint.step, len(HINT_NAMES)) - 1], at=hint.at)


def _goes(attempts: Sequence[Attempt], column: LabColumn, history: _History) -> tuple[Go, ...]:
    labels = {task.id: task.label for task in column.tasks}
    goes = [
        Go(
            number=number,
            began=attempt.activated_at,
            end=_end(attempt, later=number < len(attempts)),
            results=tuple(_result(row, labels) for row in history.results.get(attempt.pk, ())),
        )
        for number, attempt in enumerate(attempts, start=1)
    ]
    return tuple(reversed(goes))


def _end(attempt: Attempt, *, later: bool) -> str:
    if attempt.ended_at is None:
        return "" if attempt.sandbox_id else "its sandbox is gone"
    return f"{'begun anew' if later else 'ended'} {attempt.ended_at:%H:%M} UTC"


def _result(row: VerdictRow, labels: Mapping[str, str]) -> Result:
    mark, word = RESULTS.get(row.state, ("none", row.state))
    return Result(
        at=row.judged_at,
        label=labels.get(row.task_id, row.task_id),
        mark=mark,
        word=word,
        cause=row.cause,
        sentence=row.sentence,
        evidence=evidence_of(row.evidence),
        asked=row.asked,
    )


def _moment(at: float | None) -> datetime | None:
    return datetime.fromtimestamp(at, tz=UTC) if at is not None else None
