"""A lesson's text to stored pieces: HTML, and slots where a student's own state goes.

`render_page` is given everything it may refer to and reports every problem it meets with its line. The
templates it fills are ours; what an author wrote reaches them only through `clean` and `inline_svg`.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe

from lessons.labs import Lab, Slug
from lessons.quizzes import Item
from lessons.rendering.blocks import Directive, Fence, Heading, Node, Parser, Prose, split_at
from lessons.rendering.code import LANGUAGES, mark_up
from lessons.rendering.inline import Prosaist, slugify
from lessons.rendering.svg import BadDrawingError, inline_svg
from lessons.sources import Problems, SourceError, read_text

_OPTION = re.compile(r"^\s*[-*] \[([a-z0-9-]+)\] (.+)$")
_RULE = re.compile(r"^---\s*$")
_TAB = re.compile(r'^=== "([^"]+)"\s*$')
_FOCUS = re.compile(r"^((topic|group):[A-Za-z0-9._-]+|lane:\d+|lens:[a-z]+)(\s+|$)")
_TOPIC = re.compile(r"^([A-Za-z0-9._-]+):(\d{1,2})$")


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


def render_page(source: Source, problems: Problems) -> Page:
    """The page of one lesson; incomplete when problems were found."""
    return _Renderer(source, problems).render()


def safe(html: str) -> SafeString:
    """Mark HTML that `clean`, `inline_svg` or a template of ours made."""
    return mark_safe(html)  # noqa: S308 - see above


class _Renderer:
    def __init__(self, source: Source, problems: Problems) -> None:
        self._source, self._problems = source, problems
        self._page = Page()
        self._html: list[str] = []
        self._in_section = False
        self._figures = 0
        self._watches = 0
        self._here = (source.path, source.first_line, "")  # what is being rendered: file, line, text
        self._prosaist = Prosaist(complain=self._complain_at, resolve=self._resolve, claim=self._claim)
        self._directives: dict[str, tuple[set[str], set[str], Callable[[Directive], str]]] = {
            # name: (required attributes, optional ones, how it becomes HTML)
            "watch": ({"focus"}, set(), self._watch),
            "note": (set(), {"title"}, self._aside),
            "tip": (set(), {"title"}, self._aside),
            "warning": (set(), {"title"}, self._aside),
            "figure": ({"src"}, {"caption"}, self._figure),
            "predict": ({"id"}, {"title", "right"}, self._predict),
            "quiz": ({"item"}, set(), self._quiz),
            "lab": ({"slug"}, set(), self._lab),
            "run": ({"id"}, {"title", "expect", "timeout", "topics"}, self._run),
            "differs": (set(), set(), self._differs),
            "term": ({"name"}, set(), self._term),
            "tabs": (set(), set(), self._tabs),
        }

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
        return self._page

    # -- the page's own order ------------------------------------------------------------------------------

    def _top(self, node: Node) -> str:
        if isinstance(node, Heading):
            self._end_section()
            words = _plain(self._line(node.text, node.line))
            anchor = self._claim(node.id or slugify(words), words, line=node.line)
            self._page.outline.append((anchor, words, ""))
            self._html.append(f'<section id="{anchor}"><h2>{self._line(node.text, node.line)}</h2>')
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
        return self._node(node)

    def _end_section(self) -> None:
        if self._in_section:
            self._html.append("</section>")
        self._in_section = False

    def _flush(self) -> None:
        html = "".join(self._html)
        self._html.clear()
        if html:
            self._page.pieces.append(("html", html))

    def _slot(self, kind: str, name: str, blank: str) -> str:
        self._flush()
        self._page.pieces.append((kind, name, blank))
        return ""

    def _check_use(self) -> None:
        first = self._source.first_line
        for slug in self._source.labs.keys() - set(self._page.labs):
            self._problem(first, f"the lab {slug!r} has no :::lab slug={slug} in the text")
        for item in self._source.items.keys() - {k.partition(":")[2] for k in self._page.asks if k[0] == "q"}:
            path = self._source.path.with_name("quiz.yaml")
            self._problems.add(
                path, self._source.item_lines[item], f"the item {item!r} is nowhere in the text"
            )

    # -- leaves --------------------------------------------------------------------------------------------

    def _node(self, node: Node) -> str:
        if isinstance(node, Prose):
            return self._block(node.text, node.line)
        if isinstance(node, Fence):
            return self._fence(node)
        if isinstance(node, Heading):
            return f"<h3>{self._line(node.text, node.line)}</h3>"
        return self._directive(node)

    def _body(self, nodes: list[Node]) -> SafeString:
        return safe("".join(self._node(node) for node in nodes))

    def _block(self, text: str, line: int, path: Path | None = None) -> str:
        self._here = (path or self._source.path, line, text)
        return self._prosaist.block(text)

    def _line(self, text: str, line: int, path: Path | None = None) -> SafeString:
        self._here = (path or self._source.path, line, text)
        return safe(self._prosaist.line(text))

    def _fence(self, fence: Fence) -> str:
        for name in fence.attrs.keys() - {"title", "lines", "open"}:
            self._problem(fence.line, f"a code block has no {name!r}")
        if fence.language not in LANGUAGES:
            known = ", ".join(filter(None, LANGUAGES))
            self._problem(fence.line, f"no language {fence.language!r}; there are {known}")
        return self._fill("code", language=fence.language, code=_code(fence), **fence.attrs)

    def _directive(self, directive: Directive) -> str:
        if directive.name not in self._directives:
            known = ", ".join(sorted(self._directives))
            self._problem(directive.line, f"no directive {directive.name!r}; there are {known}")
            return ""
        required, optional, handle = self._directives[directive.name]
        given = directive.attrs.keys()
        for name in sorted(required - given):
            self._problem(directive.line, f":::{directive.name} needs {name}=")
        for name in sorted(given - required - optional):
            self._problem(directive.line, f":::{directive.name} has no {name!r}")
        return "" if required - given else handle(directive)

    # -- directives ----------------------------------------------------------------------------------------

    def _watch(self, node: Directive) -> str:
        focus = node.attrs["focus"]
        if not all(_FOCUS.match(part) for part in focus.split() or [""]):
            self._problem(node.line, f"cannot watch {focus!r}; write topic:…, group:…, lane:… or lens:…")
        body = self._body(node.children)
        single = body.count("<p>") == 1 and body.strip().startswith("<p>") and body.strip().endswith("</p>")
        self._watches += 1
        text = safe(body.strip()[3:-4]) if single else body
        return self._fill(
            "watch", tag="p" if single else "div", id=f"w-{self._watches}", focus=focus, body=text
        )

    def _aside(self, node: Directive) -> str:
        body = self._body(node.children)
        if title := node.attrs.get("title"):
            bold = f"<b>{self._line(title, node.line)}</b> "
            body = safe(body.replace("<p>", f"<p>{bold}", 1) if "<p>" in body else f"<p>{bold}</p>{body}")
        return self._fill("aside", kind=node.name, body=body)

    def _figure(self, node: Directive) -> str:
        self._figures += 1
        path = self._source.path.parent / node.attrs["src"]
        svg = self._drawing(path, node)
        caption = node.attrs.get("caption")
        text = self._line(caption, node.line) if caption else _unwrapped(self._body(node.children))
        if not text:
            self._problem(node.line, "the figure needs a caption")
        number = f"{self._source.number}.{self._figures}"
        return self._fill("figure", svg=svg, number=number, caption=text)

    def _drawing(self, path: Path, node: Directive) -> SafeString:
        if not path.resolve().is_relative_to(self._source.path.parent.resolve()):
            self._problem(node.line, f"{node.attrs['src']!r} is outside of the lesson's folder")
            return safe("")
        try:
            return safe(inline_svg(read_text(path), prefix=f"f{self._source.number}-{self._figures}-"))
        except BadDrawingError as error:
            self._problems.add(path, 1, f"the drawing {error}")
        except SourceError as error:
            self._problem(node.line, f"{node.attrs['src']}: {error.found[0][1]}")
        return safe("")

    def _predict(self, node: Directive) -> str:
        name, title = self._name(node, "id"), node.attrs.get("title", "")
        parts = split_at(node.children, _RULE)
        if len(parts) != 2:
            self._problem(node.line, "a prediction is options, a line ---, and the answer")
            return ""
        asked = split_at(parts[0][1], _OPTION)
        options = [
            {"id": match[1], "html": str(self._line(match[2], node.line))} for match, _ in asked[1:] if match
        ]
        ids = [option["id"] for option in options]
        if len(options) < 2 or len(set(ids)) < len(ids):
            self._problem(node.line, "a prediction needs two or more options `- [a] text`, each id once")
        if "right" in node.attrs and node.attrs["right"] not in ids:
            self._problem(node.line, f"right={node.attrs['right']} is none of the options")
        ask = {
            "id": name,
            "lesson": self._source.slug,
            "title": str(self._line(title, node.line)) if title else "",
            "body": str(self._body(asked[0][1])),
            "options": options,
            "right": node.attrs.get("right", ""),
            "answer": str(self._body(parts[1][1])),
        }
        return self._ask("predict", ask, title=title, line=node.line)

    def _quiz(self, node: Directive) -> str:
        name = node.attrs["item"]
        item = self._source.items.get(name)
        if item is None:
            self._problem(node.line, f"quiz.yaml has no item {name!r}")
            return ""
        path, line = self._source.path.with_name("quiz.yaml"), self._source.item_lines[name]

        def words(text: str) -> str:
            return str(self._line(text, line, path))

        ask: dict[str, Any] = {
            "id": name,
            "lesson": self._source.slug,
            "kind": item.kind,
            "prompt": self._block(item.prompt, line, path),
            "options": [{"id": o.id, "html": words(o.text), "why": words(o.why)} for o in item.options],
            "why": words(item.why),
            "whys": {given: words(why) for given, why in item.whys.items()},
            "item": item.model_dump(mode="json"),
        }
        if item.kind == "order":
            ask["places"] = list(range(1, len(item.options) + 1))
            ask["options"] = _shuffled(ask["options"])
        return self._ask("quiz", ask, title="", line=node.line)

    def _ask(self, kind: str, ask: dict[str, Any], *, title: str, line: int) -> str:
        key = f"{kind}:{ask['id']}"
        if key in self._page.asks:
            self._problem(line, f"{kind} {ask['id']!r} is there twice")
        self._page.asks[key] = ask
        anchor = self._claim(f"{kind}-{ask['id']}", title, line=line)
        if title:
            self._page.outline.append((anchor, _plain(ask["title"]), ""))
        return self._slot(kind, ask["id"], fill_ask(kind, ask))

    def _lab(self, node: Directive) -> str:
        slug = node.attrs["slug"]
        lab = self._source.labs.get(slug)
        if lab is None:
            self._problem(node.line, f"there is no lab {slug!r} in this lesson")
            return ""
        if slug in self._page.labs:
            self._problem(node.line, f"the lab {slug!r} is there twice")
        self._page.labs.append(slug)
        if f"lab-{slug}" in self._page.anchors:
            self._problem(
                node.line, f"the lab brings its own heading and the id lab-{slug}; remove the one above"
            )
        else:
            self._claim(f"lab-{slug}", "", line=node.line)
        self._page.outline.append((f"lab-{slug}", f"Lab: {lab.title}", slug))
        return self._slot("lab", slug, "")

    def _run(self, node: Directive) -> str:
        name = self._name(node, "id")
        fences = [child for child in node.children if isinstance(child, Fence)]
        if (
            len(fences) != len(node.children)
            or not fences
            or fences[0].language != "python"
            or len(fences) > 2
        ):
            self._problem(
                node.line, ":::run holds one ```python block, and after it perhaps one ```text block"
            )
            return ""
        if any(run.id == name for run in self._page.runs):
            self._problem(node.line, f"run {name!r} is there twice")
        self._page.runs.append(self._run_block(name, node, fences[0]))
        output = safe(escape(fences[1].text)) if len(fences) == 2 else ""
        title = node.attrs.get("title", f"{name}.py")
        return self._fill("run", id=name, title=title, code=_code(fences[0]), output=output)

    def _run_block(self, name: str, node: Directive, fence: Fence) -> RunBlock:
        topics: dict[str, int] = {}
        for part in filter(None, node.attrs.get("topics", "").split(",")):
            match = _TOPIC.match(part)
            if match is None:
                self._problem(node.line, f"topics={part!r}: write name:partitions")
            else:
                topics[match[1]] = int(match[2])
        expect = node.attrs.get("expect", "")
        try:
            re.compile(expect)
            timeout = float(node.attrs.get("timeout", "20"))
        except (re.error, ValueError) as error:
            self._problem(node.line, f":::run cannot use this: {error}")
            expect, timeout = "", 20.0
        return RunBlock(
            id=name, code=fence.text, line=node.line, expect=expect, timeout=timeout, topics=topics
        )

    def _differs(self, node: Directive) -> str:
        return self._fill("differs", body=self._body(node.children))

    def _term(self, node: Directive) -> str:
        return self._fill("term", name=node.attrs["name"], body=self._body(node.children))

    def _tabs(self, node: Directive) -> str:
        parts = split_at(node.children, _TAB)
        if parts[0][1] or len(parts) < 3:
            self._problem(node.line, ':::tabs holds two or more sections, each begun by === "Title"')
        tabs = [(match[1], self._body(nodes)) for match, nodes in parts if match]
        return self._fill("tabs", group=f"tabs-{node.line}", tabs=tabs)

    # -- names, links, complaints --------------------------------------------------------------------------

    def _name(self, node: Directive, attr: str) -> str:
        name = node.attrs[attr]
        if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
            self._problem(node.line, f"{attr}={name!r}: use small letters, digits and single dashes")
        return name

    def _claim(self, anchor: str, words: str, *, line: int | None = None) -> str:
        if not anchor:
            self._problem(line or self._here[1], f"the heading {words!r} needs an id: ## … {{#some-id}}")
        elif anchor in self._page.anchors:
            self._problem(
                line or self._locate(words), f"the id {anchor!r} is there twice; give one {{#some-id}}"
            )
        self._page.anchors.add(anchor)
        return anchor

    def _resolve(self, target: str) -> str | None:
        kind, _, rest = target.partition(":")
        if kind in ("http", "https", "mailto"):
            return target
        if target.startswith("#"):
            self._page.links.append((self._locate(target), "", target[1:]))
            return target
        if kind == "lab":
            return f"#lab-{rest}" if rest in self._source.labs else None
        if kind != "lesson":
            return None
        lesson, _, anchor = rest.partition("#")
        if lesson not in self._source.lessons:
            return None
        if anchor:
            self._page.links.append((self._locate(target), lesson, anchor))
        return self._source.lessons[lesson] + (f"#{anchor}" if anchor else "")

    def _locate(self, piece: str) -> int:
        """The line of `piece` in what is being rendered now."""
        _, line, text = self._here
        at = text.find(piece)
        return line + text[: max(0, at)].count("\n")

    def _complain_at(self, piece: str, reason: str) -> None:
        self._problems.add(self._here[0], self._locate(piece), reason)

    def _problem(self, line: int, reason: str) -> None:
        self._problems.add(self._source.path, line, reason)

    def _fill(self, template: str, **context: object) -> str:
        return render_to_string(f"lessons/directives/{template}.html", context)


def fill_ask(kind: str, ask: Mapping[str, Any], **state: object) -> str:
    """The HTML of a question as one student sees it; without state, as nobody has answered it."""
    template = "lessons/quiz.html" if kind == "quiz" else "lessons/directives/predict.html"
    marked = _marked(ask)
    context: dict[str, Any] = {"options": marked["options"], **state, "ask": marked}
    return render_to_string(template, context)


def _shuffled(options: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same mixed order each time the course is loaded, and never the right one."""
    mixed = sorted(options, key=lambda option: hashlib.sha256(option["id"].encode()).digest())
    return mixed if mixed != options else mixed[::-1]


def _marked(ask: Any) -> Any:
    """Stored HTML parts, marked as such again; their other strings are ids."""
    if isinstance(ask, Mapping):
        return {key: value if key == "item" else _marked(value) for key, value in ask.items()}
    if isinstance(ask, list):
        return [_marked(value) for value in ask]
    return safe(ask) if isinstance(ask, str) else ask


def _code(fence: Fence) -> SafeString:
    return safe(mark_up(fence.text, fence.language))


def _unwrapped(html: SafeString) -> SafeString:
    text = html.strip()
    return safe(text[3:-4]) if text.startswith("<p>") and text.endswith("</p>") else html


def _plain(html: str) -> str:
    """The words of inline HTML."""
    words = re.sub(r"<[^>]+>", "", html)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&")):
        words = words.replace(entity, character)
    return words


__all__ = ["Page", "RunBlock", "Slug", "Source", "fill_ask", "render_page", "safe"]
