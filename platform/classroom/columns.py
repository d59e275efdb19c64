"""The labs of the course that is served, as columns of a table: which there are, and which fit one page."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lessons.labs import Lab
from lessons.selectors import ServedLab, current_course

# Task columns on one page of the class: more would be neither read nor small.
WIDTH = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskColumn:
    """One task. number: its place in the lab, from 1."""

    lab_id: str
    id: str
    number: int
    title: str
    points: int

    @property
    def label(self) -> str:
        """`5.1.2`, as a person would say it."""
        return f"{self.lab_id}.{self.number}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabColumn:
    """One lab. hints: cause -> its ladder."""

    id: str
    title: str
    lesson: str
    lesson_number: int
    digest: str
    points: int
    tasks: tuple[TaskColumn, ...]
    hints: Mapping[str, Sequence[str]]


def columns() -> tuple[LabColumn, ...]:
    """Every lab of the course in its order; none before a course is loaded."""
    course = current_course()
    if course is None:
        return ()
    pages = sorted(course.pages.values(), key=lambda page: page.number)
    return tuple(
        _column(served, str(page.front["title"]), page.number)
        for page in pages
        for served in course.labs[page.slug]
    )


def _column(served: ServedLab, lesson: str, number: int) -> LabColumn:
    return column_of(served.lab, digest=served.version.digest, lesson=lesson, lesson_number=number)


def column_of(lab: Lab, *, digest: str, lesson: str = "", lesson_number: int = 0) -> LabColumn:
    """A lab as a column; also of a version that is not served any more."""
    tasks = tuple(
        TaskColumn(lab_id=lab.id, id=task.id, number=place, title=task.title, points=task.points)
        for place, task in enumerate(lab.tasks, start=1)
    )
    return LabColumn(
        id=lab.id,
        title=lab.title,
        lesson=lesson,
        lesson_number=lesson_number,
        digest=digest,
        points=lab.points,
        tasks=tasks,
        hints=lab.hints,
    )


def in_pages(labs: Iterable[LabColumn], width: int = WIDTH) -> tuple[tuple[LabColumn, ...], ...]:
    """Whole labs side by side, as many as fit; a lab that is wider than a page has one to itself."""
    pages: list[tuple[LabColumn, ...]] = []
    for lab in labs:
        taken = sum(len(other.tasks) for other in pages[-1]) if pages else width
        if taken + len(lab.tasks) > width:
            pages.append((lab,))
        else:
            pages[-1] = (*pages[-1], lab)
    return tuple(pages)
