"""Turns the nodes of one lesson's text into HTML, leaf by leaf, and says what is wrong with its line.

Knows the page that is being made, so that names are given once and links are remembered; what a directive
means is known to `directives`, in what order things stand to `page`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from lessons.rendering.asks import safe
from lessons.rendering.blocks import Directive, Fence, Heading, Node, Prose
from lessons.rendering.code import LANGUAGES, mark_up
from lessons.rendering.inline import Prosaist
from lessons.rendering.model import Page, Source
from lessons.sources import Problems

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class Scribe:
    """slot: ends the HTML so far and leaves a place for something that is a student's own."""

    def __init__(
        self,
        source: Source,
        problems: Problems,
        *,
        directive: Callable[[Scribe, Directive], str],
        slot: Callable[[str, str, str], str],
    ) -> None:
        self.source, self.problems, self.slot = source, problems, slot
        self.page = Page()
        self.figures = 0
        self.watches = 0
        self._directive = directive
        self._here = (source.path, source.first_line, "")  # what is being rendered: file, line, text
        self._prosaist = Prosaist(complain=self._complain_at, resolve=self._resolve, claim=self.claim)

    # -- leaves --------------------------------------------------------------------------------------------

    def node(self, node: Node) -> str:
        if isinstance(node, Prose):
            return self.block(node.text, node.line)
        if isinstance(node, Fence):
            return self._fence(node)
        if isinstance(node, Heading):
            return f"<h3>{self.line(node.text, node.line)}</h3>"
        return self._directive(self, node)

    def body(self, nodes: list[Node]) -> SafeString:
        return safe("".join(self.node(node) for node in nodes))

    def block(self, text: str, line: int, path: Path | None = None) -> str:
        """Paragraphs, lists and tables; path: when they do not come from the lesson's own file."""
        self._here = (path or self.source.path, line, text)
        return self._prosaist.block(text)

    def line(self, text: str, line: int, path: Path | None = None) -> SafeString:
        """One line, without a paragraph around it."""
        self._here = (path or self.source.path, line, text)
        return safe(self._prosaist.line(text))

    def fill(self, template: str, **context: object) -> str:
        return render_to_string(f"lessons/directives/{template}.html", context)

    def _fence(self, fence: Fence) -> str:
        for name in fence.attrs.keys() - {"title", "lines", "open"}:
            self.problem(fence.line, f"a code block has no {name!r}")
        if fence.language not in LANGUAGES:
            known = ", ".join(filter(None, LANGUAGES))
            self.problem(fence.line, f"no language {fence.language!r}; there are {known}")
        return self.fill("code", language=fence.language, code=code_of(fence), **fence.attrs)

    # -- names, links, complaints --------------------------------------------------------------------------

    def name(self, node: Directive, attr: str) -> str:
        """The id that a directive is given."""
        name = node.attrs[attr]
        if not _NAME.fullmatch(name):
            self.problem(node.line, f"{attr}={name!r}: use small letters, digits and single dashes")
        return name

    def claim(self, anchor: str, words: str, *, line: int | None = None) -> str:
        """Take an id for something on the page; it must be there and new."""
        if not anchor:
            self.problem(line or self._here[1], f"the heading {words!r} needs an id: ## … {{#some-id}}")
        elif anchor in self.page.anchors:
            self.problem(
                line or self._locate(words), f"the id {anchor!r} is there twice; give one {{#some-id}}"
            )
        self.page.anchors.add(anchor)
        return anchor

    def problem(self, line: int, reason: str) -> None:
        self.problems.add(self.source.path, line, reason)

    def _resolve(self, target: str) -> str | None:
        kind, _, rest = target.partition(":")
        if kind in ("http", "https", "mailto"):
            return target
        if target.startswith("#"):
            self.page.links.append((self._locate(target), "", target[1:]))
            return target
        if kind == "lab":
            return f"#lab-{rest}" if rest in self.source.labs else None
        return self._lesson_address(rest, target) if kind == "lesson" else None

    def _lesson_address(self, rest: str, target: str) -> str | None:
        lesson, _, anchor = rest.partition("#")
        if lesson not in self.source.lessons:
            return None
        if anchor:
            self.page.links.append((self._locate(target), lesson, anchor))
        return self.source.lessons[lesson] + (f"#{anchor}" if anchor else "")

    def _locate(self, piece: str) -> int:
        """The line of `piece` in what is being rendered now."""
        _, line, text = self._here
        at = text.find(piece)
        return line + text[: max(0, at)].count("\n")

    def _complain_at(self, piece: str, reason: str) -> None:
        self.problems.add(self._here[0], self._locate(piece), reason)


def code_of(fence: Fence) -> SafeString:
    return safe(mark_up(fence.text, fence.language))


def unwrapped(html: str) -> SafeString:
    """The inside of a lone paragraph."""
    text = html.strip()
    return safe(text[3:-4] if text.startswith("<p>") and text.endswith("</p>") else text)


def plain(html: str) -> str:
    """The words of inline HTML."""
    words = re.sub(r"<[^>]+>", "", html)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        words = words.replace(entity, character)
    return words
