"""What a bench says: one JSON line per figure, and the table at the end."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}
_HEADS = ("bench", "value", "worst", "peer", "goal", "met")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value.

    peer: what it is held against, from the same run; of a ratio, the peer's own value.
    goal: e.g. "<= 1.25"; "" for a figure that is only told.
    worst: of the rounds, of which `value` is the median.
    """

    bench: str
    value: float
    unit: str
    goal: str = ""
    peer: float | None = None
    worst: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        if not self.goal:
            return None
        sign, _, bound = self.goal.partition(" ")
        return _COMPARE[sign](self.value, float(bound))

    def line(self) -> str:
        """The machine's form."""
        fields = {
            "bench": self.bench,
            "value": _rounded(self.value),
            "unit": self.unit,
            "peer": _rounded(self.peer),
            "goal": self.goal or None,
            "met": self.met,
            "worst": _rounded(self.worst),
            "note": self.note,
        }
        return json.dumps(fields)


def table(figures: Iterable[Figure]) -> str:
    """The person's form."""
    rows = [_HEADS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows
    )


def _row(figure: Figure) -> tuple[str, ...]:
    met = {True: "yes", False: "NO", None: ""}[figure.met]
    value, worst, peer = (_text(number) for number in (figure.value, figure.worst, figure.peer))
    return figure.bench, f"{value} {figure.unit}".strip(), worst, peer, figure.goal, met


def _text(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}" if abs(number) < 10_000 else f"{number:.0f}"


def _rounded(number: float | None) -> float | None:
    return None if number is None else float(f"{number:.4g}")


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies; nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(share * (len(ordered) - 1)))]


def middle(values: Iterable[float]) -> float:
    return median(list(values))
