"""What a rendered lesson says, in passages that search can find and link to.

Only the text that everybody reads goes in: questions, predictions, their answers, hints and judges never do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from html.parser import HTMLParser

from lessons.labs import Lab
from lessons.rendering.model import Page

_SPACE = re.compile(r"\s+")
_BLOCKS = {"p", "li", "dt", "dd", "tr", "pre", "h2", "h3", "h4", "figcaption", "blockquote", "section", "div"}
_DRAWN = {"svg", "button", "script"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A piece of text under one heading. kind: "text", "lab" or "term"; anchor: its place on the page."""

    kind: str
    anchor: str
    heading: str
    text: str


def passages_of(page: Page, labs: Iterable[tuple[Lab, str]]) -> list[dict[str, str]]:
    """A lesson's passages as JSON-ready rows; labs: each with its brief and tasks as HTML."""
    reader = _Reader()
    for kind, html, *_ in page.pieces:
        if kind == "html":
            reader.feed(html)
    reader.close()
    found = [*reader.passages, *(_of_lab(lab, html) for lab, html in labs)]
    return [asdict(passage) for passage in found]


def _of_lab(lab: Lab, html: str) -> Passage:
    titles = " ".join(f"{task.title}." for task in lab.tasks)
    return Passage(kind="lab", anchor=f"lab-{lab.slug}", heading=lab.title, text=f"{words_of(html)} {titles}")


def words_of(html: str) -> str:
    """The text of a piece of HTML on one line."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return " ".join(passage.text for passage in reader.passages if passage.kind == "text")


class _Reader(HTMLParser):
    """Cuts at headings that have an id; a term that is explained becomes a passage of its own besides."""

    def __init__(self) -> None:
        super().__init__()
        self.passages: list[Passage] = []
        self._section = self._anchor = self._heading = ""
        self._text: list[str] = []
        self._block: list[str] = []
        self._terms: list[str] = []
        self._in_heading = self._in_term = False
        self._drawn = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs).get("id") or ""
        if tag in _DRAWN:
            self._drawn += 1
        if tag in _BLOCKS:
            self._end_block()
        if tag == "section":
            self._section = named or self._section
        if tag == "h2" or (tag == "h3" and named):
            self._end_passage()
            self._anchor, self._heading, self._in_heading = named or self._section, "", True
        if tag == "dfn":
            self._in_term = True
            self._terms.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in _DRAWN:
            self._drawn -= 1
        if tag in ("h2", "h3"):
            self._in_heading = False
        if tag == "dfn":
            self._in_term = False
        # A term's name and its explanation are two blocks of one list.
        if tag in _BLOCKS and tag != "dt":
            self._end_block()

    def handle_data(self, data: str) -> None:
        if self._drawn:
            return
        if self._in_heading:
            self._heading += data
            return
        self._block.append(data)
        if self._in_term:
            self._terms[-1] += data

    def close(self) -> None:
        super().close()
        self._end_block()
        self._end_passage()

    def _end_block(self) -> None:
        text = _SPACE.sub(" ", "".join(self._block)).strip()
        self._block.clear()
        if not text:
            return
        self._text.append(text)
        for term in self._terms:
            self.passages.append(Passage(kind="term", anchor=self._anchor, heading=term.strip(), text=text))
        self._terms.clear()

    def _end_passage(self) -> None:
        text = " ".join(self._text)
        self._text.clear()
        if text:
            heading = _SPACE.sub(" ", self._heading).strip()
            self.passages.append(Passage(kind="text", anchor=self._anchor, heading=heading, text=text))
