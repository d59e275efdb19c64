"""Points per lab and in all, as they were given: a lab that is revised later changes no mark."""

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from accounts.models import Cohort, User
from classroom.columns import LabColumn, TaskColumn, columns
from classroom.facts import StudentFacts, read_class
from classroom.marks import TaskFacts

BARS, HEIGHT = 8, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One bar of a small histogram, x from the left in bars, height in the drawing's units."""

    x: int
    height: int

    @property
    def y(self) -> int:
        return HEIGHT - self.height


@dataclass(frozen=True, slots=True, kw_only=True)
class Grade:
    """One student's points in one lab. points: None while nothing was passed.

    was_earlier: some of them were given on another version of the lab than is served now.
    """

    points: int | None
    was_earlier: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeRow:
    """user, with points by task (None: not passed) and by lab, in the order of the columns."""

    user: User
    tasks: tuple[int | None, ...]
    grades: tuple[Grade, ...]
    total: int

    @property
    def name(self) -> str:
        return self.user.shown_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Gradebook:
    """labs: those of the course, and those it has no longer in which somebody has points."""

    labs: tuple[LabColumn, ...]
    rows: tuple[GradeRow, ...]

    @property
    def tasks(self) -> tuple[TaskColumn, ...]:
        return tuple(task for lab in self.labs for task in lab.tasks)

    @property
    def points(self) -> int:
        """What there is to reach."""
        return sum(lab.points for lab in self.labs)

    @property
    def median(self) -> float:
        return statistics.median(row.total for row in self.rows) if self.rows else 0.0

    @property
    def medians(self) -> tuple[float, ...]:
        """The middle of each lab, nothing counted as nought."""
        return tuple(
            statistics.median(row.grades[place].points or 0 for row in self.rows) if self.rows else 0.0
            for place in range(len(self.labs))
        )

    @property
    def spreads(self) -> tuple[tuple[Bar, ...], ...]:
        """How the points of each lab, and the totals, are spread."""
        labs = (
            spread([row.grades[place].points or 0 for row in self.rows], lab.points)
            for place, lab in enumerate(self.labs)
        )
        return (*labs, spread([row.total for row in self.rows], self.points))

    @property
    def begun(self) -> int:
        return sum(row.total > 0 for row in self.rows)

    @property
    def has_earlier(self) -> bool:
        return any(grade.was_earlier for row in self.rows for grade in row.grades)


def spread(points: Sequence[int], of: int) -> tuple[Bar, ...]:
    """Eight bars from nothing to everything; the tallest fills the height, and nobody has no bar."""
    counts = [0] * BARS
    for number in points:
        counts[min(BARS - 1, number * BARS // of) if of else 0] += 1
    tallest = max(counts, default=0) or 1
    return tuple(
        Bar(x=place, height=-(-count * HEIGHT // tallest)) for place, count in enumerate(counts) if count
    )


def gradebook(cohort: Cohort) -> Gradebook:
    """The marks of a class, by name."""
    students = read_class(cohort).students
    labs = (*columns(), *_former(students, columns()))
    return Gradebook(labs=labs, rows=tuple(_row(student, labs) for student in students))


def _former(students: Iterable[StudentFacts], labs: Sequence[LabColumn]) -> tuple[LabColumn, ...]:
    """Columns for points that belong to no task of the course any more: they were given, so they stay."""
    known = {(task.lab_id, task.id) for lab in labs for task in lab.tasks}
    loose = {
        (task.lab_id, task.task_id): task.points
        for student in students
        for task in student.tasks
        if task.passed_at is not None and (task.lab_id, task.task_id) not in known
    }
    by_lab: dict[str, list[TaskColumn]] = {}
    for (lab_id, task_id), points in sorted(loose.items()):
        tasks = by_lab.setdefault(lab_id, [])
        number = len(tasks) + 1
        tasks.append(TaskColumn(lab_id=lab_id, id=task_id, number=number, title=task_id, points=points))
    return tuple(_former_lab(lab_id, tasks) for lab_id, tasks in by_lab.items())


def _former_lab(lab_id: str, tasks: Sequence[TaskColumn]) -> LabColumn:
    return LabColumn(
        id=lab_id,
        title="no longer in the course",
        lesson="",
        lesson_number=0,
        digest="",
        points=sum(task.points for task in tasks),
        tasks=tuple(tasks),
        hints={},
    )


def _row(student: StudentFacts, labs: Sequence[LabColumn]) -> GradeRow:
    passed = {(t.lab_id, t.task_id): t for t in student.tasks if t.passed_at is not None}
    grades = tuple(_grade(lab, passed) for lab in labs)
    return GradeRow(
        user=student.user,
        tasks=tuple(_points(passed.get((task.lab_id, task.id))) for lab in labs for task in lab.tasks),
        grades=grades,
        total=sum(grade.points or 0 for grade in grades),
    )


def _points(task: TaskFacts | None) -> int | None:
    return task.points if task is not None else None


def _grade(lab: LabColumn, passed: dict[tuple[str, str], TaskFacts]) -> Grade:
    here = [passed[lab.id, task.id] for task in lab.tasks if (lab.id, task.id) in passed]
    return Grade(
        points=sum(task.points for task in here) if here else None,
        was_earlier=any(task.digest != lab.digest for task in here),
    )
