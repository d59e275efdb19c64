"""The class page as parts: what each shows, and the question it answers."""

from collections.abc import Sequence
from dataclasses import dataclass

from accounts.models import Cohort
from classroom.columns import LabColumn, columns, in_pages
from classroom.facts import read_class
from classroom.marks import Mark
from classroom.pushed import Fragment, out_of_place
from classroom.question import ORDERS, Question, group_shown, in_order, page_of_labs, rows_shown
from classroom.room import Group, Room, Row, room_of, stamp_of
from sandboxes.console.words import lasting


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One task of one student. edge: the first of its lab."""

    mark: Mark
    edge: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RowShown:
    """A row with the cells of the labs on this page; ago: `9 min` now, which the browser carries on."""

    row: Row
    cells: tuple[Cell, ...]
    at_for: str
    acted: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A column of the table: its task, and how many have passed it."""

    lab: LabColumn
    passed: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A link of the page: another order, other rows or other labs."""

    name: str
    word: str
    address: str
    is_on: bool
    number: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShown:
    group: Group
    address: str
    is_on: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """Everything of the class page. parts: by id; rows: in the order asked for."""

    cohort: Cohort
    room: Room
    question: Question
    labs: tuple[LabColumn, ...]
    parts: dict[str, Fragment]
    rows: tuple[Fragment, ...]
    orders: tuple[Choice, ...]
    facets: tuple[Choice, ...]
    lab_pages: tuple[Choice, ...]

    @property
    def group(self) -> Group | None:
        """The group that was asked for."""
        return group_shown(self.room, self.question.show)

    def moved(self, shown: Sequence[str]) -> Fragment:
        """The line that says how many rows would be elsewhere by now."""
        count = out_of_place(shown, [part.id for part in self.rows])
        return Fragment(
            id="moved",
            template="classroom/moved.html",
            stamp=str(count),
            shown={"count": count, "address": self.question.address},
        )


def board(cohort: Cohort, asked: Question, *, now: float) -> Board:
    """The class, as it was asked for."""
    labs = columns()
    room = room_of(read_class(cohort), labs, now=now)
    pages = in_pages(labs)
    at = page_of_labs(pages, room, asked.labs)
    shown = pages[at - 1] if pages else ()
    rows = in_order(rows_shown(room, asked.show), asked.sort)
    return Board(
        cohort=cohort,
        room=room,
        question=asked,
        labs=shown,
        parts=_parts(room, asked, shown),
        rows=tuple(_row_part(row, shown, now) for row in rows),
        orders=tuple(_order(asked, name, word) for name, word in ORDERS),
        facets=_facets(room, asked),
        lab_pages=_lab_pages(pages, asked, at) if len(pages) > 1 else (),
    )


def _parts(room: Room, asked: Question, labs: Sequence[LabColumn]) -> dict[str, Fragment]:
    heads = [
        Head(lab=lab, passed=tuple(room.passed_by_task.get((lab.id, task.id), 0) for task in lab.tasks))
        for lab in labs
    ]
    groups = [
        GroupShown(group=one, address=asked.showing(one.key).address, is_on=asked.show == one.key)
        for one in room.groups
    ]
    said = (room.counts, room.lately, room.stuck, room.given_up, len(room.rows), room.worst)
    summed = [(one.group.key, one.group.stuck, one.group.names, one.is_on) for one in groups]
    facets = _facets(room, asked)
    parts = (
        Fragment(id="say", template="classroom/say.html", stamp=stamp_of(said), shown=room),
        Fragment(id="facets", template="classroom/facets.html", stamp=stamp_of(facets), shown=facets),
        Fragment(
            id="passed",
            template="classroom/passed.html",
            stamp=stamp_of([head.passed for head in heads]),
            shown={"heads": heads, "of": len(room.rows)},
            is_row=True,
        ),
        Fragment(id="trouble", template="classroom/trouble.html", stamp=stamp_of(summed), shown=groups),
        Fragment(id="feed", template="classroom/feed.html", stamp=stamp_of(room.feed), shown=room.feed),
    )
    return {part.id: part for part in parts}


def _row_part(row: Row, labs: Sequence[LabColumn], now: float) -> Fragment:
    cells = tuple(
        Cell(mark=row.mark(task), edge=place == 0 and lab is not labs[0])
        for lab in labs
        for place, task in enumerate(lab.tasks)
    )
    shown = RowShown(row=row, cells=cells, at_for=_ago(row.place.since, now), acted=_ago(row.acted_at, now))
    return Fragment(id=f"s{row.id}", template="classroom/row.html", stamp=row.stamp, shown=shown, is_row=True)


def _ago(then: float | None, now: float) -> str:
    return "" if then is None else lasting(now - then)


def _order(asked: Question, name: str, word: str) -> Choice:
    return Choice(name=name, word=word, address=asked.sorted_by(name).address, is_on=asked.sort == name)


def _facets(room: Room, asked: Question) -> tuple[Choice, ...]:
    """Who is shown: everybody, the stuck, or those who are here, away or absent."""
    offered = [("", "everybody", len(room.rows)), ("stuck", "stuck", room.stuck)]
    offered += [(count.name, count.word, count.number) for count in room.counts]
    return tuple(
        Choice(
            name=name or "all",
            word=word,
            number=number,
            address=asked.showing(name).address if name else asked.showing(asked.show).address,
            is_on=asked.show == name,
        )
        for name, word, number in offered
    )


def _lab_pages(pages: Sequence[Sequence[LabColumn]], asked: Question, at: int) -> tuple[Choice, ...]:
    return tuple(
        Choice(
            name=str(number),
            word=labs[0].id if len(labs) == 1 else f"{labs[0].id} to {labs[-1].id}",
            address=asked.at_labs(number).address,
            is_on=number == at,
        )
        for number, labs in enumerate(pages, start=1)
    )
