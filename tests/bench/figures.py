"""What a bench says: one JSON line per figure, and the table at the end."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

_COMPARE: dict[str, Callable[[float, float], bool]] = {"<=": operator.le, ">=": operator.ge, "=": operator.eq}
_HEADS = ("figure", "value", "unit", "worst", "peer", "goal", "", "before", "note")
_NUMBERS = ("value", "worst", "peer", "before")
Fields = dict[str, str | float | bool | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured value; None when it could not be measured, and `note` says why.

    peer: what it is held against, from the same run; of a ratio, the peer's own value.
    goal: e.g. "<= 1.25"; "" for a figure that is only told.
    worst: of the rounds, of which `value` is the median.
    note: how it was measured, and, of a figure that misses its goal, the reason.
    """

    bench: str
    value: float | None
    unit: str
    goal: str = ""
    peer: float | None = None
    worst: float | None = None
    note: str = ""

    @property
    def met(self) -> bool | None:
        if not self.goal:
            return None
        if self.value is None:
            return False
        sign, _, bound = self.goal.partition(" ")
        return _COMPARE[sign](self.value, float(bound))

    def fields(self) -> Fields:
        return {
            "bench": self.bench,
            "value": _rounded(self.value),
            "unit": self.unit,
            "peer": _rounded(self.peer),
            "goal": self.goal or None,
            "met": self.met,
            "worst": _rounded(self.worst),
            "note": self.note,
        }

    def line(self) -> str:
        """The machine's form."""
        return json.dumps(self.fields())


def failed(name: str, error: BaseException) -> Figure:
    """The row of a bench that broke off; it counts as missed."""
    said = " ".join(str(error).split())[:160]
    return Figure(
        bench=name, value=None, unit="", goal=">= 0", note=f"broke off: {type(error).__name__}: {said}"
    )


def table(figures: Iterable[Figure], before: Mapping[str, float] | None = None) -> str:
    """The person's form. before: values of an earlier run, by bench."""
    rows = [_HEADS, *(_row(figure, (before or {}).get(figure.bench)) for figure in figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADS))]
    return "\n".join(_aligned(row, widths) for row in rows)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    cells = zip(_HEADS, row, widths, strict=True)
    return "  ".join(
        cell.rjust(width) if head in _NUMBERS else cell.ljust(width) for head, cell, width in cells
    ).rstrip()


def _row(figure: Figure, before: float | None) -> tuple[str, ...]:
    met = {True: "met", False: "MISSED", None: ""}[figure.met]
    value, worst, peer, was = (_text(one) for one in (figure.value, figure.worst, figure.peer, before))
    goal = "" if figure.value is None else figure.goal
    return figure.bench, value or "-", figure.unit, worst, peer, goal, met, was, figure.note


def verdict(figures: Sequence[Figure]) -> str:
    """In a sentence how many goals are met, and a line for each that is not."""
    judged = [figure for figure in figures if figure.met is not None]
    missed = [figure for figure in judged if not figure.met]
    lines = [f"{len(judged) - len(missed)} of {len(judged)} goals are met."]
    return "\n".join(lines + [f"MISSED {_missed(figure)}" for figure in missed])


def _missed(figure: Figure) -> str:
    if figure.value is None:
        return f"{figure.bench}: {figure.note}"
    beside = "" if figure.peer is None else f", its peer {_text(figure.peer)}"
    return f"{figure.bench}: {_text(figure.value)} {figure.unit}, the goal {figure.goal}{beside}"


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
