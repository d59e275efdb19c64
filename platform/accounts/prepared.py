"""Queries whose SQL is made once.

Making the SQL of a query costs the ORM some ten times what the database needs to answer it. Pages that are
opened all the time ask through here: Django makes the SQL the first time, for whatever database there is, and
afterwards only the values are put in.

What the query itself says stands in the SQL, only the caller's values are parameters, and these have names:
SQLite plans a query anew each time that a condition of a partial index hangs on a parameter, and Django takes
longer to number nameless parameters than SQLite takes to answer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

# Values that no real parameter has; where they come out in the SQL's parameters, the caller's are put in.
_NO_TEXT = "\x1anobody-writes-this-{}"
_NO_NUMBER = -987_654_321_000

Row = tuple[Any, ...]


# A parameter in Django's SQL, where a percent sign that is meant is doubled.
_PARAMETER = re.compile(r"(?<!%)%s")


@dataclass(frozen=True, slots=True)
class _Made:
    """sql, with parameters by name; constants: those that are in every call."""

    sql: str
    constants: dict[str, Any]
    convert: Callable[[Iterable[Row]], Iterable[Sequence[Any]]]


class Prepared:
    """A query with values to be put in, each of them text or a whole number.

    kinds: str or int for each of them; query: makes the query set, of tuples, given the values in order.
    """

    def __init__(self, *kinds: type[str] | type[int], query: Callable[..., QuerySet[Any, Row]]) -> None:
        self._kinds, self._query = kinds, query
        self._names = [f"v{number}" for number in range(len(kinds))]
        self._made: dict[str, _Made] = {}

    def raw(self, *values: str | int) -> list[Row]:
        """The rows as the database gives them; hashable."""
        database = connections[DEFAULT_DB_ALIAS]
        made = self._of(database)
        with database.cursor() as cursor:
            cursor.execute(made.sql, made.constants | dict(zip(self._names, values, strict=True)))
            return [tuple(row) for row in cursor.fetchall()]

    def convert(self, rows: Iterable[Row]) -> list[Sequence[Any]]:
        """Raw rows with their values as the models' fields give them."""
        return list(self._of(connections[DEFAULT_DB_ALIAS]).convert(rows))

    def rows(self, *values: str | int) -> list[Sequence[Any]]:
        return self.convert(self.raw(*values))

    def _of(self, database: BaseDatabaseWrapper) -> _Made:
        made = self._made.get(database.vendor)
        if made is None:
            made = self._made[database.vendor] = self._make(database)
        return made

    def _make(self, database: BaseDatabaseWrapper) -> _Made:
        marks = [_NO_TEXT.format(n) if kind is str else _NO_NUMBER - n for n, kind in enumerate(self._kinds)]
        compiler = self._query(*marks).query.get_compiler(connection=database)
        sql, params = compiler.as_sql()
        named = dict(zip(marks, self._names, strict=True))
        constants: dict[str, Any] = {}
        words = iter([_word(value, named, constants) for value in params])
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])

        def convert(rows: Iterable[Row]) -> Iterable[Sequence[Any]]:
            return compiler.apply_converters(rows, converters) if converters else rows

        return _Made(_PARAMETER.sub(lambda _: next(words), sql), constants, convert)


def _word(value: Any, named: dict[str | int, str], constants: dict[str, Any]) -> str:
    """What stands in the SQL for a parameter: the name of the caller's value, or what the query says itself.

    constants: takes what has no simple form in SQL.
    """
    if isinstance(value, str | int) and value in named:
        return f"%({named[value]})s"
    if isinstance(value, str) and value.isidentifier():
        return f"'{value}'"
    name = f"c{len(constants)}"
    constants[name] = value
    return f"%({name})s"
