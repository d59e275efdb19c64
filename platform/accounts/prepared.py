"""Queries whose SQL is made once.

Making the SQL of a query costs the ORM some ten times what the database needs to answer it. Pages that are
opened all the time ask through here: Django makes the SQL the first time, for whatever database there is, and
afterwards only the values are put in.

What the query itself says stands in the SQL, only the caller's values are parameters, and these have names:
SQLite plans a query anew each time that a condition of a partial index hangs on a parameter, and Django takes
longer to number nameless parameters than SQLite takes to answer.

Where a query takes a list, its SQL is made once for one value, for two, four, eight and so on; the last value
stands as often as places are left.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import QuerySet

# Values that no real parameter has; where they come out in the SQL's parameters, the caller's are put in.
_NO_TEXT = "\x1anobody-writes-this-{}"
_NO_NUMBER = -987_654_321_000
_NO_YEAR = 1000  # and those after it

Value = str | int | datetime
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
    """A query with values to be put in, each of them text, a whole number or a moment.

    kinds: of each of them; many: of each value in a list that comes after them, if the query takes one.
    query: makes the query set, of tuples, given the values in order; it may not reckon with them.
    """

    def __init__(
        self,
        *kinds: type[Value],
        many: type[Value] | None = None,
        query: Callable[..., QuerySet[Any, Row]],
    ) -> None:
        self._kinds, self._many, self._query = kinds, many, query
        self._made: dict[tuple[str, int], _Made] = {}

    def raw(self, *values: Value, many: Sequence[Value] = ()) -> list[Row]:
        """The rows as the database gives them; hashable. With a list that is empty there are none."""
        if self._many and not many:
            return []
        database = connections[DEFAULT_DB_ALIAS]
        size = _room_for(len(many))
        made = self._of(database, size)
        given = [*values, *many, *([many[-1]] * (size - len(many)) if many else ())]
        named = {f"v{number}": _adapted(value, database) for number, value in enumerate(given)}
        with database.cursor() as cursor:
            cursor.execute(made.sql, made.constants | named)
            return [tuple(row) for row in cursor.fetchall()]

    def convert(self, rows: Iterable[Row]) -> list[Sequence[Any]]:
        """Raw rows with their values as the models' fields give them."""
        size = 1 if self._many else 0
        return list(self._of(connections[DEFAULT_DB_ALIAS], size).convert(rows))

    def rows(self, *values: Value, many: Sequence[Value] = ()) -> list[Sequence[Any]]:
        return self.convert(self.raw(*values, many=many))

    def _of(self, database: BaseDatabaseWrapper, size: int) -> _Made:
        """size: how many values the list has."""
        made = self._made.get((database.vendor, size))
        if made is None:
            made = self._made[database.vendor, size] = self._make(database, size)
        return made

    def _make(self, database: BaseDatabaseWrapper, size: int) -> _Made:
        kinds = [*self._kinds, *[self._many or int] * size]
        marks = [_mark(kind, number) for number, kind in enumerate(kinds)]
        single, many = marks[: len(self._kinds)], marks[len(self._kinds) :]
        query = self._query(*single, many) if self._many else self._query(*single)
        compiler = query.query.get_compiler(connection=database)
        sql, params = compiler.as_sql()
        named = {_adapted(mark, database): f"v{number}" for number, mark in enumerate(marks)}
        constants: dict[str, Any] = {}
        words = iter([_word(value, named, constants) for value in params])
        converters = compiler.get_converters([column for column, *_ in compiler.select[: compiler.col_count]])

        def convert(rows: Iterable[Row]) -> Iterable[Sequence[Any]]:
            return compiler.apply_converters(rows, converters) if converters else rows

        return _Made(_PARAMETER.sub(lambda _: next(words), sql), constants, convert)


def _room_for(count: int) -> int:
    """The next power of two, so that few sizes are made; 0 for no list."""
    return 1 << (count - 1).bit_length() if count else 0


def _mark(kind: type[Value], number: int) -> Value:
    """What stands for a value while the SQL is made."""
    if kind is datetime:
        return datetime(_NO_YEAR + number, 1, 1, tzinfo=UTC)
    return _NO_TEXT.format(number) if kind is str else _NO_NUMBER - number


def _adapted(value: Value, database: BaseDatabaseWrapper) -> Any:
    """As the database's driver takes it."""
    return database.ops.adapt_datetimefield_value(value) if isinstance(value, datetime) else value


def _word(value: Any, named: dict[Any, str], constants: dict[str, Any]) -> str:
    """What stands in the SQL for a parameter: the name of the caller's value, or what the query says itself.

    constants: takes what has no simple form in SQL.
    """
    if isinstance(value, Value) and value in named:
        return f"%({named[value]})s"
    if isinstance(value, str) and value.isidentifier():
        return f"'{value}'"
    name = f"c{len(constants)}"
    constants[name] = value
    return f"%({name})s"
