"""The marks of a class as CSV: a row per student, a column per task and lab; safe in a spreadsheet."""

import csv
from collections.abc import Iterable
from datetime import date
from io import SEEK_END, StringIO
from typing import Any

from django.utils.text import slugify

from classroom.gradebook import Gradebook, GradeRow

# Excel reads a file as UTF-8 only when it begins with this.
MARK = "\ufeff"
# A spreadsheet runs a cell that begins like this as a formula (OWASP, "CSV injection").
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def as_csv(book: Gradebook) -> str:
    """The whole file: what is sent line by line is compressed line by line, and browsers read the first."""
    file = StringIO(MARK, newline="")
    file.seek(0, SEEK_END)
    writer = csv.writer(file)
    writer.writerow(_heading(book))
    writer.writerows(_cells(row) for row in book.rows)
    return file.getvalue()


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
