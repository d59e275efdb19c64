"""Finding passages: words are found where a word begins with them; rare words and headings weigh most.

A course has some hundreds of passages, so that looking through all of them takes a few milliseconds, on any
database the same. Plain Python.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LONGEST = 100
SHOWN = 30
_AROUND = 210
_WORD = re.compile(r"[^\s\"'\u201c\u201d\u2018\u2019()\[\]{}<>,;!?]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A passage with its lesson. kind: "text", "lab" or "term"; url: "" while the lesson is not written."""

    number: int
    lesson: str
    kind: str
    heading: str
    text: str
    url: str


Marked = tuple[tuple[str, bool], ...]  # text in pieces; True: it is what was looked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """An entry that was found; heading and snippet with the words marked."""

    entry: Entry
    score: float
    heading: Marked
    snippet: Marked


def words_in(query: str) -> tuple[str, ...]:
    """The words to look for, small, each once."""
    found = (word.strip(".:-").lower() for word in _WORD.findall(query[:LONGEST]))
    return tuple(dict.fromkeys(word for word in found if word))


def find(entries: Sequence[Entry], query: str) -> list[Hit]:
    """The entries that have every word, best first; where none has, those that have any. [] without words."""
    words = words_in(query)
    looks = [_Look(word) for word in words]
    having = [{n for n, entry in enumerate(entries) if look.is_in(entry)} for look in looks]
    kept = set.intersection(*having) or set.union(*having) if having else set()
    weights = [math.log(1 + len(entries) / max(1, len(found))) for found in having]
    phrase = _Look(" ".join(words))
    scored = [(_score(entries[n], looks, weights, phrase), entries[n]) for n in kept]
    scored.sort(key=lambda pair: (-pair[0], pair[1].number, pair[1].heading))
    pattern = _any_of(words)
    return [_hit(entry, score, pattern) for score, entry in scored]


class _Look:
    """One word, found where a word begins with it."""

    def __init__(self, word: str) -> None:
        self.word = word
        self._begins = re.compile(rf"(?<![^\W_]){re.escape(word)}", re.IGNORECASE)

    def is_in(self, entry: Entry) -> bool:
        return bool(self._begins.search(entry.heading) or self._begins.search(entry.text))

    def count(self, text: str) -> int:
        return len(self._begins.findall(text))


def _score(entry: Entry, looks: list[_Look], weights: list[float], phrase: _Look) -> float:
    total = 0.0
    for look, weight in zip(looks, weights, strict=True):
        often = look.count(entry.text)
        total += weight * (often / (often + 2) + 2 * bool(look.count(entry.heading)))
    if entry.heading.lower().startswith(phrase.word):
        total += 3
    if len(looks) > 1 and phrase.count(entry.text):
        total += 2
    # Of two that say the same, the explanation of a term comes first.
    return total + (0.5 if entry.kind == "term" else 0.0)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(words, key=len, reverse=True)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})", re.IGNORECASE)


def _hit(entry: Entry, score: float, pattern: re.Pattern[str]) -> Hit:
    return Hit(
        entry=entry,
        score=score,
        heading=_marked(entry.heading, pattern),
        snippet=_marked(_around(entry.text, pattern), pattern),
    )


def _around(text: str, pattern: re.Pattern[str]) -> str:
    """The stretch of text with most of the words, cut between words."""
    if len(text) <= _AROUND:
        return text
    places = [match.start() for match in pattern.finditer(text)] or [0]
    best = max(places, key=lambda at: sum(at <= other < at + _AROUND - 60 for other in places))
    begin = 0 if best < 60 else text.rfind(" ", 0, best - 40) + 1
    end = len(text) if begin + _AROUND >= len(text) else text.rfind(" ", begin, begin + _AROUND)
    return ("… " if begin else "") + text[begin:end] + (" …" if end < len(text) else "")


def _marked(text: str, pattern: re.Pattern[str]) -> Marked:
    pieces: list[tuple[str, bool]] = []
    at = 0
    for match in pattern.finditer(text):
        pieces += [(text[at : match.start()], False), (match[0], True)]
        at = match.end()
    pieces.append((text[at:], False))
    return tuple(piece for piece in pieces if piece[0])
