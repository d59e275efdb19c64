"""A lesson's text to stored pieces: HTML, and slots where a student's own state goes.

`render_page` is given everything it may refer to and reports every problem it meets with its line. The
templates it fills are ours; what an author wrote reaches them only through `clean` and `inline_svg`.
"""

from __future__ import annotations

from lessons.rendering.blocks import Directive, Heading, Node, Parser
from lessons.rendering.directives import render_directive
from lessons.rendering.inline import slugify
from lessons.rendering.model import Page, Source
from lessons.rendering.scribe import Scribe, plain
from lessons.sources import Problems


def render_page(source: Source, problems: Problems) -> Page:
    """The page of one lesson; incomplete when problems were found."""
    return _Renderer(source, problems).render()


class _Renderer:
    """The page's own order: sections, and the slots between stretches of HTML."""

    def __init__(self, source: Source, problems: Problems) -> None:
        self._source, self._problems = source, problems
        self._html: list[str] = []
        self._in_section = False
        self._scribe = Scribe(source, problems, directive=render_directive, slot=self._slot)

    def render(self) -> Page:
        parser = Parser(
            self._source.text,
            first_line=self._source.first_line,
            problems=self._problems,
            path=self._source.path,
        )
        for node in parser.parse():
            self._html.append(self._top(node))
        self._end_section()
        self._flush()
        self._check_use()
        return self._scribe.page

    def _top(self, node: Node) -> str:
        if isinstance(node, Heading):
            self._end_section()
            words = plain(self._scribe.line(node.text, node.line))
            anchor = self._scribe.claim(node.id or slugify(words), words, line=node.line)
            self._scribe.page.outline.append((anchor, words, ""))
            self._html.append(f'<section id="{anchor}"><h2>{self._scribe.line(node.text, node.line)}</h2>')
            self._in_section = True
            return ""
        stands_alone = isinstance(node, Directive) and (
            node.name == "lab" or (node.name == "predict" and "title" in node.attrs)
        )
        if stands_alone:
            self._end_section()
        elif not self._in_section:
            self._html.append("<section>")
            self._in_section = True
        return self._scribe.node(node)

    def _end_section(self) -> None:
        if self._in_section:
            self._html.append("</section>")
        self._in_section = False

    def _flush(self) -> None:
        html = "".join(self._html)
        self._html.clear()
        if html:
            self._scribe.page.pieces.append(("html", html))

    def _slot(self, kind: str, name: str, blank: str) -> str:
        self._flush()
        self._scribe.page.pieces.append((kind, name, blank))
        return ""

    def _check_use(self) -> None:
        first = self._source.first_line
        for slug in self._source.labs.keys() - set(self._scribe.page.labs):
            self._scribe.problem(first, f"the lab {slug!r} has no :::lab slug={slug} in the text")
        for item in self._source.items.keys() - {
            k.partition(":")[2] for k in self._scribe.page.asks if k[0] == "q"
        }:
            path = self._source.path.with_name("quiz.yaml")
            self._problems.add(
                path, self._source.item_lines[item], f"the item {item!r} is nowhere in the text"
            )
