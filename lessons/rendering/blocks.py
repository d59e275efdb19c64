"""A lesson's text as a tree: prose, fences, headings and `:::` directives, each with its line.

Knows the shape of the text only, neither Markdown nor what a directive means.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from lessons.sources import Problems

_OPEN = re.compile(r"^(?P<colons>:{3,})(?P<name>[a-z]+)(?P<rest>.*)$")
_CLOSE = re.compile(r"^(?P<colons>:{3,})\s*$")
_FENCE = re.compile(r"^(?P<ticks>`{3,}|~{3,})(?P<info>.*)$")
_HEADING = re.compile(r"^##\s+(?P<text>.+?)\s*(?:\{#(?P<id>[a-z][a-z0-9-]*)\})?\s*#*$")
_ATTR = re.compile(r"""\s*(?P<key>[a-z_]+)=(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"]+))""")


@dataclass(slots=True)
class Prose:
    """Markdown without any of our blocks."""

    text: str
    line: int


@dataclass(slots=True)
class Heading:
    """A heading of level two: it begins a section."""

    text: str
    id: str
    line: int


@dataclass(slots=True)
class Fence:
    """A fenced block of code. line: of the opening fence."""

    language: str
    attrs: Mapping[str, str]
    text: str
    line: int


@dataclass(slots=True)
class Directive:
    """A `:::name …` block; body: its lines as written, children: the same read as a tree."""

    name: str
    attrs: Mapping[str, str]
    line: int
    colons: int
    children: list[Node] = field(default_factory=list)


Node = Prose | Heading | Fence | Directive


class BadAttributesError(ValueError):
    """The words after a directive's name are not key=value pairs."""


def parse_attrs(text: str) -> dict[str, str]:
    """`key=value key="two words"`, in braces or not."""
    text = text.strip()
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    attrs: dict[str, str] = {}
    at = 0
    while at < len(text.rstrip()):
        match = _ATTR.match(text, at)
        if match is None:
            raise BadAttributesError(f'cannot read {text[at:].strip()!r}; write key=value or key="two words"')
        if match["key"] in attrs:
            raise BadAttributesError(f"{match['key']!r} is there twice")
        attrs[match["key"]] = match["quoted"] if match["quoted"] is not None else match["plain"]
        at = match.end()
    return attrs


class Parser:
    """Reads lines one by one; `problem` hears of what cannot be read."""

    def __init__(self, text: str, *, first_line: int, problems: Problems, path: object) -> None:
        self._lines = text.splitlines()
        self._first = first_line
        self._problems = problems
        self._path = path
        self._root: list[Node] = []
        self._open: list[Directive] = []
        self._prose: list[str] = []
        self._prose_line = first_line

    def parse(self) -> list[Node]:
        index = 0
        while index < len(self._lines):
            index += self._take(index)
        self._end_prose()
        for directive in self._open:
            self._complain(directive.line, f":::{directive.name} is never closed")
        return self._root

    def _take(self, index: int) -> int:
        """Handle the line at `index`; return how many lines that used up."""
        line = self._lines[index]
        if match := _FENCE.match(line):
            return self._fence(index, match)
        if match := _OPEN.match(line):
            self._open_directive(index, match)
        elif match := _CLOSE.match(line):
            self._close_directive(index, len(match["colons"]))
        elif match := _HEADING.match(line):
            self._heading(index, match)
        else:
            self._prose_line = self._prose_line if self._prose else self._number(index)
            self._prose.append(line)
        return 1

    def _fence(self, index: int, match: re.Match[str]) -> int:
        end = index + 1
        while end < len(self._lines) and self._lines[end].rstrip() != match["ticks"]:
            end += 1
        if end == len(self._lines):
            self._complain(self._number(index), "the code fence is never closed")
        language, _, rest = match["info"].strip().partition(" ")
        attrs = self._attrs(index, rest)
        text = "\n".join(self._lines[index + 1 : end]) + "\n"
        self._add(Fence(language, attrs, text, self._number(index)))
        return end - index + 1

    def _open_directive(self, index: int, match: re.Match[str]) -> None:
        attrs = self._attrs(index, match["rest"])
        directive = Directive(match["name"], attrs, self._number(index), len(match["colons"]))
        self._add(directive)
        self._open.append(directive)

    def _close_directive(self, index: int, colons: int) -> None:
        self._end_prose()
        if not self._open:
            self._complain(self._number(index), "nothing is open here that ::: could close")
        elif self._open[-1].colons != colons:
            last = self._open[-1]
            self._complain(self._number(index), f"this does not close :::{last.name} of line {last.line}")
        else:
            self._open.pop()

    def _heading(self, index: int, match: re.Match[str]) -> None:
        if self._open:
            self._complain(self._number(index), "a ## heading cannot stand inside a directive; use ###")
        self._add(Heading(match["text"], match["id"] or "", self._number(index)))

    def _attrs(self, index: int, text: str) -> dict[str, str]:
        try:
            return parse_attrs(text)
        except BadAttributesError as error:
            self._complain(self._number(index), str(error))
            return {}

    def _add(self, node: Node) -> None:
        self._end_prose()
        (self._open[-1].children if self._open else self._root).append(node)

    def _end_prose(self) -> None:
        text, self._prose = "\n".join(self._prose), []
        if text.strip():
            (self._open[-1].children if self._open else self._root).append(Prose(text, self._prose_line))

    def _number(self, index: int) -> int:
        return self._first + index

    def _complain(self, line: int, reason: str) -> None:
        self._problems.add(self._path, line, reason)  # type: ignore[arg-type]


def split_at(nodes: list[Node], marker: re.Pattern[str]) -> list[tuple[re.Match[str] | None, list[Node]]]:
    """Cut a list of nodes wherever a line of prose matches `marker`; the first part has no match."""
    parts: list[tuple[re.Match[str] | None, list[Node]]] = [(None, [])]
    for node in nodes:
        if not isinstance(node, Prose):
            parts[-1][1].append(node)
            continue
        lines: list[str] = []
        start = node.line
        for offset, line in enumerate(node.text.split("\n")):
            match = marker.match(line)
            if match is None:
                lines.append(line)
                continue
            _keep(parts[-1][1], lines, start)
            lines, start = [], node.line + offset + 1
            parts.append((match, []))
        _keep(parts[-1][1], lines, start)
    return parts


def _keep(nodes: list[Node], lines: list[str], line: int) -> None:
    if any(text.strip() for text in lines):
        nodes.append(Prose("\n".join(lines), line))
