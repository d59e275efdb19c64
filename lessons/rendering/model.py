"""What a lesson's text is made from, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lessons.labs import Lab
from lessons.quizzes import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBlock:
    """A program of the prose that course_check runs. topics: name -> partitions, made first."""

    id: str
    code: str
    line: int
    expect: str = ""
    timeout: float = 20
    topics: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class Page:
    """A rendered lesson.

    pieces:  in order, ("html", html) or (kind, id, blank html) for kind quiz, predict or lab.
    outline: (id, words, lab slug or "") of every section.
    asks:    rendered parts of predictions and quiz items by "kind:id", as JSON-ready data.
    anchors: every id that a link may point to; links: (line, lesson id, anchor) to other pages.
    """

    pieces: list[tuple[str, ...]] = field(default_factory=list)
    outline: list[tuple[str, str, str]] = field(default_factory=list)
    asks: dict[str, dict[str, Any]] = field(default_factory=dict)
    runs: list[RunBlock] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    links: list[tuple[int, str, str]] = field(default_factory=list)
    labs: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a lesson's text may refer to. lessons: lesson id -> address."""

    path: Path
    text: str
    first_line: int
    number: int
    slug: str
    labs: Mapping[str, Lab]
    items: Mapping[str, Item]
    item_lines: Mapping[str, int]
    lessons: Mapping[str, str]
