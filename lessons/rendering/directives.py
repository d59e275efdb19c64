"""What each `:::name` of a lesson's text becomes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from django.utils.safestring import SafeString

from lessons.rendering.asks import fill_ask, safe
from lessons.rendering.blocks import Directive, Fence, split_at
from lessons.rendering.model import RunBlock
from lessons.rendering.scribe import Scribe, code_of, plain, unwrapped
from lessons.rendering.svg import BadDrawingError, inline_svg
from lessons.sources import SourceError, read_text

_OPTION = re.compile(r"^\s*[-*] \[([a-z0-9-]+)\] (.+)$")
_RULE = re.compile(r"^---\s*$")
_TAB = re.compile(r'^=== "([^"]+)"\s*$')
_FOCUS = re.compile(r"^((topic|group):[A-Za-z0-9._-]+|lane:\d+|lens:[a-z]+)(\s+|$)")
_TOPIC = re.compile(r"^([A-Za-z0-9._-]+):(\d{1,2})$")


@dataclass(frozen=True, slots=True)
class _Kind:
    """A directive: the attributes that it needs, those that it may have, and how it becomes HTML."""

    needs: frozenset[str]
    may_have: frozenset[str]
    render: Callable[[Scribe, Directive], str]


def render_directive(scribe: Scribe, node: Directive) -> str:
    """The HTML of a directive; "" with a problem noted where it cannot be made."""
    kind = _KINDS.get(node.name)
    if kind is None:
        scribe.problem(node.line, f"no directive {node.name!r}; there are {', '.join(sorted(_KINDS))}")
        return ""
    given = node.attrs.keys()
    for name in sorted(kind.needs - given):
        scribe.problem(node.line, f":::{node.name} needs {name}=")
    for name in sorted(given - kind.needs - kind.may_have):
        scribe.problem(node.line, f":::{node.name} has no {name!r}")
    return "" if kind.needs - given else kind.render(scribe, node)


def _watch(scribe: Scribe, node: Directive) -> str:
    focus = node.attrs["focus"]
    if not all(_FOCUS.match(part) for part in focus.split() or [""]):
        scribe.problem(node.line, f"cannot watch {focus!r}; write topic:…, group:…, lane:… or lens:…")
    body = scribe.body(node.children)
    single = body.count("<p>") == 1 and body.strip().startswith("<p>") and body.strip().endswith("</p>")
    scribe.watches += 1
    text = safe(body.strip()[3:-4]) if single else body
    return scribe.fill(
        "watch", tag="p" if single else "div", id=f"w-{scribe.watches}", focus=focus, body=text
    )


def _aside(scribe: Scribe, node: Directive) -> str:
    body = scribe.body(node.children)
    if title := node.attrs.get("title"):
        bold = f"<b>{scribe.line(title, node.line)}</b> "
        body = safe(body.replace("<p>", f"<p>{bold}", 1) if "<p>" in body else f"<p>{bold}</p>{body}")
    return scribe.fill("aside", kind=node.name, body=body)


def _figure(scribe: Scribe, node: Directive) -> str:
    scribe.figures += 1
    path = scribe.source.path.parent / node.attrs["src"]
    svg = _drawing(scribe, path, node)
    caption = node.attrs.get("caption")
    text = scribe.line(caption, node.line) if caption else unwrapped(scribe.body(node.children))
    if not text:
        scribe.problem(node.line, "the figure needs a caption")
    number = f"{scribe.source.number}.{scribe.figures}"
    return scribe.fill("figure", svg=svg, number=number, caption=text)


def _drawing(scribe: Scribe, path: Path, node: Directive) -> SafeString:
    if not path.resolve().is_relative_to(scribe.source.path.parent.resolve()):
        scribe.problem(node.line, f"{node.attrs['src']!r} is outside of the lesson's folder")
        return safe("")
    try:
        return safe(inline_svg(read_text(path), prefix=f"f{scribe.source.number}-{scribe.figures}-"))
    except BadDrawingError as error:
        scribe.problems.add(path, 1, f"the drawing {error}")
    except SourceError as error:
        scribe.problem(node.line, f"{node.attrs['src']}: {error.found[0][1]}")
    return safe("")


def _predict(scribe: Scribe, node: Directive) -> str:
    name, title = scribe.name(node, "id"), node.attrs.get("title", "")
    parts = split_at(node.children, _RULE)
    if len(parts) != 2:
        scribe.problem(node.line, "a prediction is options, a line ---, and the answer")
        return ""
    asked = split_at(parts[0][1], _OPTION)
    options = [
        {"id": match[1], "html": str(scribe.line(match[2], node.line))} for match, _ in asked[1:] if match
    ]
    ids = [option["id"] for option in options]
    if len(options) < 2 or len(set(ids)) < len(ids):
        scribe.problem(node.line, "a prediction needs two or more options `- [a] text`, each id once")
    if "right" in node.attrs and node.attrs["right"] not in ids:
        scribe.problem(node.line, f"right={node.attrs['right']} is none of the options")
    ask = {
        "id": name,
        "lesson": scribe.source.slug,
        "title": str(scribe.line(title, node.line)) if title else "",
        "body": str(scribe.body(asked[0][1])),
        "options": options,
        "right": node.attrs.get("right", ""),
        "answer": str(scribe.body(parts[1][1])),
    }
    return _ask(scribe, "predict", ask, title=title, line=node.line)


def _quiz(scribe: Scribe, node: Directive) -> str:
    name = node.attrs["item"]
    item = scribe.source.items.get(name)
    if item is None:
        scribe.problem(node.line, f"quiz.yaml has no item {name!r}")
        return ""
    path, line = scribe.source.path.with_name("quiz.yaml"), scribe.source.item_lines[name]

    def words(text: str) -> str:
        return str(scribe.line(text, line, path))

    ask: dict[str, Any] = {
        "id": name,
        "lesson": scribe.source.slug,
        "kind": item.kind,
        "prompt": scribe.block(item.prompt, line, path),
        "options": [{"id": o.id, "html": words(o.text), "why": words(o.why)} for o in item.options],
        "why": words(item.why),
        "whys": {given: words(why) for given, why in item.whys.items()},
        "item": item.model_dump(mode="json"),
    }
    if item.kind == "order":
        ask["places"] = list(range(1, len(item.options) + 1))
        ask["options"] = _shuffled(ask["options"])
    return _ask(scribe, "quiz", ask, title="", line=node.line)


def _ask(scribe: Scribe, kind: str, ask: dict[str, Any], *, title: str, line: int) -> str:
    key = f"{kind}:{ask['id']}"
    if key in scribe.page.asks:
        scribe.problem(line, f"{kind} {ask['id']!r} is there twice")
    scribe.page.asks[key] = ask
    anchor = scribe.claim(f"{kind}-{ask['id']}", title, line=line)
    if title:
        scribe.page.outline.append((anchor, plain(ask["title"]), ""))
    return scribe.slot(kind, ask["id"], fill_ask(kind, ask))


def _lab(scribe: Scribe, node: Directive) -> str:
    slug = node.attrs["slug"]
    lab = scribe.source.labs.get(slug)
    if lab is None:
        scribe.problem(node.line, f"there is no lab {slug!r} in this lesson")
        return ""
    if slug in scribe.page.labs:
        scribe.problem(node.line, f"the lab {slug!r} is there twice")
    scribe.page.labs.append(slug)
    if f"lab-{slug}" in scribe.page.anchors:
        scribe.problem(
            node.line, f"the lab brings its own heading and the id lab-{slug}; remove the one above"
        )
    else:
        scribe.claim(f"lab-{slug}", "", line=node.line)
    scribe.page.outline.append((f"lab-{slug}", f"Lab: {lab.title}", slug))
    return scribe.slot("lab", slug, "")


def _run(scribe: Scribe, node: Directive) -> str:
    name = scribe.name(node, "id")
    fences = [child for child in node.children if isinstance(child, Fence)]
    if len(fences) != len(node.children) or not fences or fences[0].language != "python" or len(fences) > 2:
        scribe.problem(node.line, ":::run holds one ```python block, and after it perhaps one ```text block")
        return ""
    if any(run.id == name for run in scribe.page.runs):
        scribe.problem(node.line, f"run {name!r} is there twice")
    scribe.page.runs.append(_run_block(scribe, name, node, fences[0]))
    output = safe(escape(fences[1].text)) if len(fences) == 2 else ""
    title = node.attrs.get("title", f"{name}.py")
    return scribe.fill("run", id=name, title=title, code=code_of(fences[0]), output=output)


def _run_block(scribe: Scribe, name: str, node: Directive, fence: Fence) -> RunBlock:
    topics: dict[str, int] = {}
    for part in filter(None, node.attrs.get("topics", "").split(",")):
        match = _TOPIC.match(part)
        if match is None:
            scribe.problem(node.line, f"topics={part!r}: write name:partitions")
        else:
            topics[match[1]] = int(match[2])
    expect = node.attrs.get("expect", "")
    try:
        re.compile(expect)
        timeout = float(node.attrs.get("timeout", "20"))
    except (re.error, ValueError) as error:
        scribe.problem(node.line, f":::run cannot use this: {error}")
        expect, timeout = "", 20.0
    return RunBlock(id=name, code=fence.text, line=node.line, expect=expect, timeout=timeout, topics=topics)


def _differs(scribe: Scribe, node: Directive) -> str:
    return scribe.fill("differs", body=scribe.body(node.children))


def _term(scribe: Scribe, node: Directive) -> str:
    return scribe.fill("term", name=node.attrs["name"], body=scribe.body(node.children))


def _tabs(scribe: Scribe, node: Directive) -> str:
    parts = split_at(node.children, _TAB)
    if parts[0][1] or len(parts) < 3:
        scribe.problem(node.line, ':::tabs holds two or more sections, each begun by === "Title"')
    tabs = [(match[1], scribe.body(nodes)) for match, nodes in parts if match]
    return scribe.fill("tabs", group=f"tabs-{node.line}", tabs=tabs)


def _shuffled(options: list[dict[str, str]]) -> list[dict[str, str]]:
    """The same mixed order each time the course is loaded, and never the right one."""
    mixed = sorted(options, key=lambda option: hashlib.sha256(option["id"].encode()).digest())
    return mixed if mixed != options else mixed[::-1]


_KINDS = {
    name: _Kind(frozenset(needs.split()), frozenset(may_have.split()), render)
    for name, needs, may_have, render in (
        ("watch", "focus", "", _watch),
        ("note", "", "title", _aside),
        ("tip", "", "title", _aside),
        ("warning", "", "title", _aside),
        ("figure", "src", "caption", _figure),
        ("predict", "id", "title right", _predict),
        ("quiz", "item", "", _quiz),
        ("lab", "slug", "", _lab),
        ("run", "id", "title expect timeout topics", _run),
        ("differs", "", "", _differs),
        ("term", "name", "", _term),
        ("tabs", "", "", _tabs),
    )
}
