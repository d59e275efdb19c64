"""Parts of a page that are asked for again: only those that differ from what the browser has are sent.

A browser names what it has as `id.stamp`, separated by commas, in the order of the page.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

MOST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fragment:
    """A piece of a page under an id of its own.

    stamp:  differs when what it shows does; shown: what its template prints.
    is_row: a table's row, which a browser takes only inside a <template>.
    into:   the id of the element that a part the browser does not have yet is put into; "" for parts that
            every copy of the page has.
    """

    id: str
    template: str
    stamp: str
    shown: Any
    is_row: bool = False
    into: str = ""
    is_added: bool = False


def held(asked: str) -> dict[str, str]:
    """What the browser has, in its order: id -> stamp ("" when it did not say)."""
    pairs = (piece.partition(".") for piece in asked.split(",", MOST)[:MOST] if piece)
    return {name: stamp for name, _, stamp in pairs}


def differing(parts: Iterable[Fragment], have: Mapping[str, str]) -> list[Fragment]:
    """The parts that the browser has in another form; of those it does not have it wants none."""
    return [part for part in parts if part.id in have and have[part.id] != part.stamp]


def added(parts: Iterable[Fragment], have: Mapping[str, str]) -> list[Fragment]:
    """The parts that came to be since the browser's copy was made."""
    return [replace(part, is_added=True) for part in parts if part.into and part.id not in have]


def answer(request: HttpRequest, parts: Sequence[Fragment], **more: Any) -> HttpResponse:
    """The parts for htmx to put in their places, or 204 when there are none."""
    if not parts:
        return HttpResponse(status=204)
    return render(request, "classroom/changes.html", {"parts": parts, "oob": True, **more})


def out_of_place(shown: Sequence[str], wanted: Sequence[str]) -> int:
    """How many rows would come, go or move if the page were asked for anew."""
    place = {name: number for number, name in enumerate(wanted)}
    kept = [place[name] for name in shown if name in place]
    moved = len(kept) - _longest_rise(kept)
    return moved + len(set(shown) ^ set(wanted))


def _longest_rise(numbers: Iterable[int]) -> int:
    """The length of the longest increasing subsequence: what may stay where it is."""
    tails: list[int] = []
    for number in numbers:
        at = bisect_left(tails, number)
        tails[at : at + 1] = [number]
    return len(tails)
