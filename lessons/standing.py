"""Where one student stands on one lesson's page: everything in one query, whatever the lesson's length.

The rows stay raw until something is to be rendered from them: what was rendered is found again by them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import (
    BooleanField,
    CharField,
    DateTimeField,
    F,
    FloatField,
    IntegerField,
    QuerySet,
    UUIDField,
    Value,
)

from accounts.prepared import Prepared, Row
from lessons.models import Answer, Attempt, TaskProgress
from sandboxes.models import Sandbox

# Columns of the one query; a kind of row fills those that it has. The first kind gives their types, but for
# what it lacks: that has its type here.
_COLUMNS: dict[str, Any] = {
    "kind_": CharField(),
    "name_": CharField(),  # lab, kind of question
    "item_": CharField(),  # task, question
    "state_": CharField(),  # of a task or of the sandbox; an answer
    "verdict_": CharField(),
    "judged_": DateTimeField(),
    "took_": IntegerField(),
    "activated_": DateTimeField(),
    "passed_": DateTimeField(),
    "points_": IntegerField(),
    "failures_": CharField(),
    "hints_": CharField(),
    "cause_": CharField(),
    "attempt_": UUIDField(),
    "ended_": DateTimeField(),
    "version_": IntegerField(),
    "sandbox_": UUIDField(),
    "right_": BooleanField(),
    "measured_": FloatField(),
}
_TASK, _PASSED, _ANSWER, _SANDBOX = "task", "passed", "answer", "sandbox"


def _arm(kind: str, rows: QuerySet[Any], **columns: str) -> QuerySet[Any, Row]:
    filled = {f"{name}_": F(source) for name, source in columns.items()}
    empty = {name: Value(None, output_field=field) for name, field in _COLUMNS.items()}
    every = {**empty, **filled, "kind_": Value(kind, output_field=CharField())}
    arm: QuerySet[Any, Row] = rows.order_by().annotate(**every).values_list(*_COLUMNS)
    return arm


def _query(user: int, lesson: str) -> QuerySet[Any, Row]:
    progress = TaskProgress.objects.filter(user=user)
    tasks = _arm(
        _TASK,
        progress.filter(lesson_id=lesson),
        name="lab_id",
        item="task_id",
        state="state",
        verdict="verdict",
        judged="judged_at",
        took="took_ms",
        activated="activated_at",
        passed="passed_at",
        points="points",
        failures="failures",
        hints="hints",
        cause="last_cause",
        attempt="attempt_id",
        ended="attempt__ended_at",
        version="attempt__lab_id",
        sandbox="attempt__sandbox_id",
    )
    answers = _arm(
        _ANSWER,
        Answer.objects.filter(user=user, lesson_id=lesson),
        name="kind",
        item="item_id",
        state="answer",
        right="right",
        measured="measured",
    )
    passed = _arm(_PASSED, progress.filter(passed_at__isnull=False), name="lab_id", item="task_id")
    present = Sandbox.objects.filter(owner=user, wanted=Sandbox.Wanted.PRESENT)
    return tasks.union(answers, passed, _arm(_SANDBOX, present, state="state", sandbox="id"), all=True)


_standing = Prepared(int, str, query=_query)


@dataclass(frozen=True, slots=True, kw_only=True)
class LessonRows:
    """Raw rows: of each lab's tasks, of answers by "kind:item", of the sandbox; (lab, task) ever passed."""

    labs: dict[str, tuple[Row, ...]]
    answers: dict[str, Row]
    passed: frozenset[tuple[str, str]]
    sandbox: Row | None


def standing_of(user_id: int, lesson_id: str) -> LessonRows:
    """One query."""
    labs: dict[str, list[Row]] = defaultdict(list)
    answers: dict[str, Row] = {}
    passed: list[tuple[str, str]] = []
    sandbox: Row | None = None
    for row in _standing.raw(user_id, lesson_id):
        kind, name, item = row[0], row[1], row[2]
        if kind == _TASK:
            labs[name].append(row)
        elif kind == _PASSED:
            passed.append((name, item))
        elif kind == _ANSWER:
            answers[f"{name}:{item}"] = row
        else:
            sandbox = row
    return LessonRows(
        labs={lab: tuple(rows) for lab, rows in labs.items()},
        answers=answers,
        passed=frozenset(passed),
        sandbox=sandbox,
    )


def progress_rows(rows: Sequence[Row]) -> list[TaskProgress]:
    """Raw rows of a lab's tasks as models with their attempts; for reading only."""
    return [_progress(dict(zip(_COLUMNS, row, strict=True))) for row in _standing.convert(rows)]


def _progress(row: dict[str, Any]) -> TaskProgress:
    attempt = row["attempt_"] and Attempt(
        id=row["attempt_"], ended_at=row["ended_"], lab_id=row["version_"], sandbox_id=row["sandbox_"]
    )
    return TaskProgress(
        lab_id=row["name_"],
        task_id=row["item_"],
        state=row["state_"],
        verdict=row["verdict_"],
        judged_at=row["judged_"],
        took_ms=row["took_"],
        activated_at=row["activated_"],
        passed_at=row["passed_"],
        points=row["points_"],
        failures=row["failures_"],
        hints=row["hints_"],
        last_cause=row["cause_"],
        attempt=attempt,
    )


def answer_row(row: Row) -> Answer:
    """A raw row of an answer as a model; for reading only."""
    (values,) = _standing.convert([row])
    found: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
    return Answer(
        kind=found["name_"],
        item_id=found["item_"],
        answer=found["state_"],
        right=found["right_"],
        measured=found["measured_"],
    )


def sandbox_row(row: Row | None) -> Sandbox | None:
    """A raw row of the sandbox as a model with its id and state; for reading only."""
    if row is None:
        return None
    (values,) = _standing.convert([row])
    found: dict[str, Any] = dict(zip(_COLUMNS, values, strict=True))
    return Sandbox(id=found["sandbox_"], state=found["state_"])
