"""The Markdown dialect inside a paragraph: live values, key words, terms, checked links, heading ids."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.treeprocessors import Treeprocessor

from lessons.rendering.blocks import BadAttributesError, parse_attrs
from lessons.rendering.clean import clean
from lessons.rendering.code import mark_up

# What static/js/prose.js can say; without group or topic it means the one on the board.
LIVE = (
    "members", "state", "lag", "generation", "owner", "committed", "records", "end", "start", "partitions",
    "rate", "topics", "groups",
)  # fmt: skip
UNKNOWN = "\u2013"
_LIVE_ATTRS = ("group", "topic", "partition")

Complain = Callable[[str, str], None]  # (piece of the text where it is, reason)
Resolve = Callable[[str], str | None]  # an author's link to an address, or None when there is no such thing


def slugify(text: str) -> str:
    """A heading's words as an id."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower().replace("'", "").replace("\u2019", "")).strip("-")


class _Live(InlineProcessor):
    def __init__(self, md: Markdown, complain: Complain) -> None:
        super().__init__(r"\{live:([a-z]+)([^}|]*)(?:\|([^}]*))?\}", md)
        self._complain = complain

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[ElementTree.Element, int, int]:  # type: ignore[override]  # noqa: N802
        output = ElementTree.Element("output", {"class": "lv", "data-live": m[1]})
        for key, value in self._attrs(m).items():
            output.set(f"data-{key}", value)
        output.text = m[3] or UNKNOWN
        return output, m.start(0), m.end(0)

    def _attrs(self, m: re.Match[str]) -> dict[str, str]:
        try:
            attrs = parse_attrs(m[2])
        except BadAttributesError as error:
            self._complain(m[0], str(error))
            return {}
        if m[1] not in LIVE:
            self._complain(m[0], f"no live value {m[1]!r}; there are {', '.join(LIVE)}")
        for key in attrs.keys() - set(_LIVE_ATTRS):
            self._complain(m[0], f"a live value has no {key!r}")
        return attrs


class _Key(InlineProcessor):
    def __init__(self, md: Markdown) -> None:
        super().__init__(r"\{key:([^{}\s][^{}]*)\}", md)

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[ElementTree.Element, int, int]:  # type: ignore[override]  # noqa: N802
        span = ElementTree.Element("span", {"class": "key", "data-key": m[1]})
        span.text = m[1]
        return span, m.start(0), m.end(0)


class _Term(InlineProcessor):
    def __init__(self, md: Markdown) -> None:
        super().__init__(r"\{term:([^{}]+)\}", md)

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[ElementTree.Element, int, int]:  # type: ignore[override]  # noqa: N802
        term = ElementTree.Element("dfn")
        term.text = m[1]
        return term, m.start(0), m.end(0)


class _Unknown(InlineProcessor):
    """`{word:…}` that none of ours took is a slip of the author's."""

    def __init__(self, md: Markdown, complain: Complain) -> None:
        super().__init__(r"\{([a-z]+):[^{}]*\}", md)
        self._complain = complain

    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:  # type: ignore[override]  # noqa: N802
        self._complain(m[0], f"no inline {m[1]!r}; there are live, key and term")
        return m[0], m.start(0), m.end(0)


class _Links(Treeprocessor):
    def __init__(self, md: Markdown, resolve: Resolve, complain: Complain) -> None:
        super().__init__(md)
        self._resolve, self._complain = resolve, complain

    def run(self, root: ElementTree.Element) -> None:
        for image in root.iter("img"):
            self._complain(image.get("src", ""), "an image goes into :::figure")
        for link in root.iter("a"):
            target = link.get("href", "")
            found = self._resolve(target)
            if found is None:
                self._complain(target, f"the link {target!r} leads nowhere")
            else:
                link.set("href", found)


class _Headings(Treeprocessor):
    """Ids for ### and ####; # and ## cannot come this way."""

    def __init__(self, md: Markdown, claim: Callable[[str, str], str], complain: Complain) -> None:
        super().__init__(md)
        self._claim, self._complain = claim, complain

    def run(self, root: ElementTree.Element) -> None:
        for level in ("h1", "h2", "h5", "h6"):
            for heading in root.iter(level):
                self._complain("".join(heading.itertext()), "use ## at the left margin, ### or ####")
        for level in ("h3", "h4"):
            for heading in root.iter(level):
                self._name(heading)

    def _name(self, heading: ElementTree.Element) -> None:
        last = heading[-1] if len(heading) else None
        text = (last.tail if last is not None else heading.text) or ""
        match = re.search(r"\s*\{#([a-z][a-z0-9-]*)\}\s*$", text)
        if match:
            if last is not None:
                last.tail = text[: match.start()]
            else:
                heading.text = text[: match.start()]
        words = "".join(heading.itertext())
        heading.set("id", self._claim(match[1] if match else slugify(words), words))


class _Dialect(Extension):
    def __init__(self, **parts: Any) -> None:
        super().__init__()
        self._parts = parts

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802
        complain = self._parts["complain"]
        # Raw HTML is shown as text, never passed on; `clean` would drop what slipped through.
        md.preprocessors.deregister("html_block")
        md.inlinePatterns.deregister("html")
        md.inlinePatterns.register(_Live(md, complain), "live", 178)
        md.inlinePatterns.register(_Key(md), "key", 177)
        md.inlinePatterns.register(_Term(md), "term", 176)
        md.inlinePatterns.register(_Unknown(md, complain), "unknown", 175)
        md.treeprocessors.register(_Links(md, self._parts["resolve"], complain), "links", 5)
        md.treeprocessors.register(_Headings(md, self._parts["claim"], complain), "headings", 4)


def _fence(source: str, language: str, *_args: object, **_kwargs: object) -> str:
    """A fence inside a list; those at the margin are blocks of their own."""
    return f'<div class="code"><pre tabindex="0"><code>{mark_up(source, language)}</code></pre></div>'


class Prosaist:
    """Turns prose into clean HTML; one per page, since heading ids are unique on a page."""

    def __init__(self, *, complain: Complain, resolve: Resolve, claim: Callable[[str, str], str]) -> None:
        fences = [{"name": "*", "class": "code", "format": _fence}]
        self._md = Markdown(
            extensions=[
                "tables",
                "def_list",
                "sane_lists",
                "smarty",
                "pymdownx.betterem",
                "pymdownx.superfences",
                _Dialect(complain=complain, resolve=resolve, claim=claim),
            ],
            extension_configs={
                "tables": {"use_align_attribute": True},
                "smarty": {"smart_dashes": False, "smart_ellipses": False},
                "pymdownx.superfences": {"custom_fences": fences, "disable_indented_code_blocks": True},
            },
            output_format="html",
        )

    def block(self, text: str) -> str:
        """Paragraphs, lists and tables."""
        return clean(self._md.reset().convert(text))

    def line(self, text: str) -> str:
        """One line: no paragraph around it."""
        html = self.block(text.strip())
        alone = html.startswith("<p>") and html.endswith("</p>") and html.count("<p>") == 1
        return html[3:-4] if alone else html
