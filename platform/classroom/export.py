"""The marks of a class as CSV: a row per student, a column per task and lab; safe in a spreadsheet."""

import csv
from collections.abc import Iterable, Iterator
from datetime import date
from typing import Any

from django.utils.text import slugify

from classroom.gradebook import Gradebook, GradeRow

# Excel reads a file as UTF-8 only when it begins with this.
MARK = "\ufeff"
# A spreadsheet runs a cell that begins like this as a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Echo:
    """A file that gives back what is written to it, so that each line can be sent at once."""

    def write(self, line: str) -> str:
        return line


def lines(book: Gradebook) -> Iterator[str]:
    """The file, line by line."""
    writer = csv.writer(_Echo())
    yield MARK + writer.writerow(_heading(book))
    for row in book.rows:
        yield writer.writerow(_cells(row))


def file_name(cohort: str, today: date) -> str:
    """`marks-autumn-2026-11-23.csv`"""
    return f"marks-{slugify(cohort) or 'class'}-{today:%Y-%m-%d}.csv"


def plain(cell: Any) -> Any:
    """A cell that no spreadsheet takes for a formula: text that begins like one gets an apostrophe."""
    is_risky = isinstance(cell, str) and cell.lstrip(" ").startswith(_FORMULA)
    return f"'{cell}" if is_risky else cell


def _heading(book: Gradebook) -> list[str]:
    tasks = (f"{task.label} {task.id} (of {task.points})" for task in book.tasks)
    labs = (f"Lab {lab.id} (of {lab.points})" for lab in book.labs)
    return [
        plain(cell) for cell in ("User name", "Name", "E-mail", *tasks, *labs, f"Total (of {book.points})")
    ]


def _cells(row: GradeRow) -> list[Any]:
    """Nothing yet is an empty cell, which is not nought."""
    who = (row.user.username, row.name, row.user.email)
    grades: Iterable[int | None] = (grade.points for grade in row.grades)
    return [plain(cell) for cell in (*who, *row.tasks, *grades, row.total)]
