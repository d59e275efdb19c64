"""What an instructor asked of the class page, as its address says it: which rows, which order, which labs."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from classroom.columns import LabColumn
from classroom.presence import ALL
from classroom.room import Group, Room, Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """show: a group's key, a presence, "stuck" or "" for all; labs: the page of labs from 1, 0 for any."""

    sort: str = "progress"
    show: str = ""
    labs: int = 0

    @property
    def address(self) -> str:
        """The part of the address after the path."""
        asked = {"sort": self.sort, "show": self.show, "labs": self.labs or ""}
        said = {name: value for name, value in asked.items() if value and value != _PLAIN[name]}
        return f"?{urlencode(said)}" if said else "?"

    def sorted_by(self, sort: str) -> "Question":
        return replace(self, sort=sort)

    def showing(self, show: str) -> "Question":
        """The rows of this group; asked again, all of them."""
        return replace(self, show="" if show == self.show else show)

    def at_labs(self, page: int) -> "Question":
        return replace(self, labs=page)


_PLAIN = {"sort": "progress", "show": "", "labs": ""}


def question_of(asked: Mapping[str, str]) -> Question:
    """The question of an address; what makes no sense is left out."""
    sort, labs = asked.get("sort", ""), asked.get("labs", "")
    return Question(
        sort=sort if sort in _ORDERS else "progress",
        show=asked.get("show", "")[:160],
        labs=int(labs) if labs.isascii() and labs.isdigit() and len(labs) < 4 else 0,
    )


# -- order -------------------------------------------------------------------------------------------------


def _stuck_key(row: Row) -> tuple[int, int]:
    if row.stuck is None:
        return (2, 0)
    return (0, -row.stuck.times) if row.stuck.kind == "cause" else (1, 0)


_ORDERS: dict[str, tuple[str, Callable[[Row], Any]]] = {
    "progress": ("furthest first", lambda row: -row.passed),
    "stuck": ("stuck first", _stuck_key),
    "seen": ("seen last first", lambda row: -(row.acted_at or 0.0)),
    "name": ("by name", lambda row: 0),
}
ORDERS = tuple((name, word) for name, (word, _) in _ORDERS.items())


def in_order(rows: Iterable[Row], sort: str) -> tuple[Row, ...]:
    """The rows by one of ORDERS; those alike by name."""
    _, key = _ORDERS[sort]
    return tuple(sorted(rows, key=lambda row: (key(row), row.name.casefold(), row.id)))


# -- which ones --------------------------------------------------------------------------------------------


def group_shown(room: Room, show: str) -> Group | None:
    return next((group for group in room.groups if group.key == show), None)


def rows_shown(room: Room, show: str) -> tuple[Row, ...]:
    """The rows that were asked for. A cause that nobody has any more shows nobody."""
    if not show:
        return room.rows
    if show == "stuck":
        return tuple(row for row in room.rows if row.stuck)
    if show in {kind.name for kind in ALL}:
        return tuple(row for row in room.rows if row.presence.name == show)
    group = group_shown(room, show)
    return group.rows if group else ()


def page_of_labs(pages: Sequence[Sequence[LabColumn]], room: Room, asked: int) -> int:
    """The page asked for, else the one in which most of those at work are, else the first; from 1."""
    if 1 <= asked <= len(pages):
        return asked
    at = Counter(row.place.lab_id for row in room.rows if row.place.since is not None)
    busiest = at.most_common(1)[0][0] if at else ""
    holding = (n for n, labs in enumerate(pages, start=1) if busiest in {lab.id for lab in labs})
    return next(holding, 1)
