"""What the database holds of a class: six queries, however many students there are."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max

from accounts.models import Cohort, User
from classroom.access import students_of
from classroom.marks import TaskFacts
from lessons.models import Answer, HintOpened, TaskProgress, VerdictRow
from sandboxes.models import Sandbox

FEED = 12
_RESULTS = ("pass", "fail", "broken", "timed_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentFacts:
    """One student's rows. acted_at: when they last did anything here, seconds since the epoch."""

    user: User
    tasks: tuple[TaskFacts, ...]
    sandbox: Sandbox | None
    acted_at: float | None

    def task(self, lab_id: str, task_id: str) -> TaskFacts | None:
        return next((t for t in self.tasks if t.lab_id == lab_id and t.task_id == task_id), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """A result that was shown to a student of the class."""

    at: datetime
    name: str
    user_id: int
    lab_id: str
    task_id: str
    state: str
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassFacts:
    students: tuple[StudentFacts, ...]
    feed: tuple[Happened, ...] = ()


def read_class(cohort: Cohort) -> ClassFacts:
    """Everybody who learns in a class, by name, with what they have done."""
    users = sorted(students_of(cohort), key=lambda user: (user.shown_name.casefold(), user.pk))
    return ClassFacts(students=read_students(users), feed=_feed(users))


def read_students(users: Collection[User]) -> tuple[StudentFacts, ...]:
    """What these students have done, in their order."""
    sandboxes = {box.owner_id: box for box in live_sandboxes(users)}
    tasks = read_tasks(users, {owner: box.pk for owner, box in sandboxes.items() if owner})
    acted = _acted(users)
    return tuple(
        _student(user, tasks.get(user.pk, ()), sandboxes.get(user.pk), acted.get(user.pk)) for user in users
    )


def live_sandboxes(users: Iterable[User]) -> Iterable[Sandbox]:
    """The sandbox that each of them has now."""
    return Sandbox.objects.filter(owner__in=users, wanted=Sandbox.Wanted.PRESENT)


_COLUMNS = (
    "user_id", "lab_id", "task_id", "state", "activated_at", "judged_at", "passed_at", "points", "failures",
    "last_cause", "passed_digest", "attempt__ended_at", "attempt__sandbox_id", "attempt_id",
)  # fmt: skip


def read_tasks(users: Iterable[User], sandboxes: Mapping[int, Any]) -> dict[int, tuple[TaskFacts, ...]]:
    """Everybody's tasks by user, in the order they were begun. sandboxes: user -> the live one's id."""
    rows = TaskProgress.objects.filter(user__in=users).order_by("pk").values(*_COLUMNS)
    found: dict[int, list[TaskFacts]] = defaultdict(list)
    for row in rows:
        found[row["user_id"]].append(_task(row, sandboxes.get(row["user_id"])))
    return {user_id: tuple(tasks) for user_id, tasks in found.items()}


def _task(row: Mapping[str, Any], sandbox_id: Any) -> TaskFacts:
    is_under_way = row["attempt_id"] is not None and row["attempt__ended_at"] is None
    return TaskFacts(
        lab_id=row["lab_id"],
        task_id=row["task_id"],
        state=row["state"],
        is_open=is_under_way and sandbox_id is not None and row["attempt__sandbox_id"] == sandbox_id,
        begun_at=epoch(row["activated_at"]),
        judged_at=epoch(row["judged_at"]),
        passed_at=epoch(row["passed_at"]),
        points=row["points"],
        failures=row["failures"],
        cause=row["last_cause"],
        digest=row["passed_digest"],
    )


def _student(
    user: User, tasks: tuple[TaskFacts, ...], sandbox: Sandbox | None, acted: datetime | None
) -> StudentFacts:
    used = sandbox.last_activity_at if sandbox else None
    moments = [at for at in (epoch(acted), epoch(used), *(task.acted_at for task in tasks)) if at]
    return StudentFacts(user=user, tasks=tasks, sandbox=sandbox, acted_at=max(moments, default=None))


def _acted(users: Iterable[User]) -> dict[int, datetime]:
    """When each of them last answered a question or opened a hint."""
    found: dict[int, datetime] = {}
    for rows in (Answer.objects, HintOpened.objects):
        latest = rows.filter(user__in=users).values_list("user_id").annotate(Max("at"))
        for user_id, at in latest:
            found[user_id] = max(at, found.get(user_id, at))
    return found


def _feed(users: Iterable[User]) -> tuple[Happened, ...]:
    """The last results of the class, newest first."""
    names = {user.pk: user.shown_name for user in users}
    rows = VerdictRow.objects.filter(attempt__user__in=names, state__in=_RESULTS).order_by("-pk")[:FEED]
    shown = rows.values_list(
        "judged_at", "attempt__user_id", "attempt__lab_id_text", "task_id", "state", "cause"
    )
    return tuple(
        Happened(at=at, name=names[who], user_id=who, lab_id=lab, task_id=task, state=state, cause=cause)
        for at, who, lab, task, state, cause in shown
    )


def epoch(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None
