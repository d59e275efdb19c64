"""What a judge saw, as rows for a table: where it lies in the log, when, and a note. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceRow:
    """One row; what the judge left out is "". place: `P2 : 2411`; clock: UTC."""

    topic: str = ""
    place: str = ""
    key: str = ""
    clock: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A table of rows; has_*: whether a column says anything."""

    rows: tuple[EvidenceRow, ...]

    @property
    def has_topic(self) -> bool:
        return any(row.topic for row in self.rows)

    @property
    def has_place(self) -> bool:
        return any(row.place for row in self.rows)

    @property
    def has_key(self) -> bool:
        return any(row.key for row in self.rows)

    @property
    def has_clock(self) -> bool:
        return any(row.clock for row in self.rows)

    @property
    def has_note(self) -> bool:
        return any(row.note for row in self.rows)


def evidence_of(stored: Iterable[Mapping[str, Any]]) -> Evidence:
    """A stored verdict's evidence."""
    return Evidence(rows=tuple(_row(row) for row in stored))


def _row(row: Mapping[str, Any]) -> EvidenceRow:
    return EvidenceRow(
        topic=str(row.get("topic", "")),
        place=_place(row.get("partition"), row.get("offset")),
        key=str(row.get("key", "")),
        clock=_clock(row.get("at")),
        note=str(row.get("note", "")),
    )


def _place(partition: int | None, offset: int | None) -> str:
    if partition is None:
        return "" if offset is None else str(offset)
    return f"P{partition}" if offset is None else f"P{partition} : {offset}"


def _clock(at: float | None) -> str:
    if at is None:
        return ""
    return datetime.fromtimestamp(at, tz=UTC).strftime("%H:%M:%S.%f")[:-3]
