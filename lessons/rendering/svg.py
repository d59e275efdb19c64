"""Hand-made drawings, inlined: read as XML, held to an allow-list, ids made unique, written out anew.

Anything not on the list is an error for the author rather than silently dropped: a drawing that lost a
part would still look finished.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape
from xml.etree import ElementTree

_NAMESPACE = "{http://www.w3.org/2000/svg}"
_TAGS = {
    "svg", "g", "defs", "title", "desc", "path", "circle", "ellipse", "line", "rect", "polyline", "polygon",
    "text", "tspan", "use", "marker", "symbol", "clipPath", "pattern",
}  # fmt: skip
_ATTRIBUTES = {
    "aria-hidden", "class", "clip-path", "cx", "cy", "d", "dominant-baseline", "dx", "dy", "fill",
    "fill-rule", "height", "href", "id", "marker-end", "marker-mid", "marker-start", "markerHeight",
    "markerUnits", "markerWidth", "opacity", "orient", "patternTransform", "patternUnits", "points",
    "preserveAspectRatio", "r", "refX", "refY", "rotate", "rx", "ry", "stroke", "stroke-dasharray",
    "stroke-linecap", "stroke-linejoin", "stroke-width", "text-anchor", "textLength", "transform",
    "viewBox", "width", "x", "x1", "x2", "y", "y1", "y2",
}  # fmt: skip
_PAINT = re.compile(r"^(none|currentColor|var\(--[a-z0-9-]+\)|url\(#[\w-]+\))$")
_LOCAL = re.compile(r"url\(#([\w-]+)\)")
_TEXT_TAGS = {"title", "desc", "text", "tspan"}


class BadDrawingError(ValueError):
    """The drawing cannot be used; the sentence says why."""


def inline_svg(source: str, *, prefix: str) -> str:
    """The drawing as HTML, with `prefix` before each of its ids. Raises BadDrawingError."""
    root = _parse(source)
    for element in root.iter():
        _check(element)
    title = root.find(f"{_NAMESPACE}title")
    if title is None or not (title.text or "").strip():
        raise BadDrawingError("needs a <title> that says in words what the drawing shows")
    if "viewBox" not in root.attrib:
        raise BadDrawingError("needs a viewBox")
    _dress(root, title, prefix)
    return "".join(_write(root, prefix))


def _parse(source: str) -> ElementTree.Element:
    if "<!DOCTYPE" in source.upper() or "<!ENTITY" in source.upper():
        raise BadDrawingError("must not declare a DOCTYPE or entities")
    try:
        root = ElementTree.fromstring(source)  # noqa: S314 - our own file, and entities are refused above
    except ElementTree.ParseError as error:
        raise BadDrawingError(f"is not XML: {error}") from None
    if root.tag != f"{_NAMESPACE}svg":
        raise BadDrawingError("is not an <svg> in the namespace http://www.w3.org/2000/svg")
    return root


def _check(element: ElementTree.Element) -> None:
    tag = str(element.tag).removeprefix(_NAMESPACE)
    if tag not in _TAGS:
        raise BadDrawingError(f"must not have <{tag}>")
    for name, value in element.attrib.items():
        _check_attribute(tag, name, value)
    if tag not in _TEXT_TAGS and (element.text or "").strip():
        raise BadDrawingError(f"has text directly in <{tag}>; put it into <text>")


def _check_attribute(tag: str, name: str, value: str) -> None:
    known = name in _ATTRIBUTES or (tag == "svg" and name in ("role", "aria-labelledby"))
    if not known:
        raise BadDrawingError(f"<{tag}> must not have {name.rpartition('}')[2]!r}")
    if name == "href" and not re.fullmatch(r"#[\w-]+", value):
        raise BadDrawingError(f"<{tag} href> may only point inside the drawing, not to {value!r}")
    if name in ("fill", "stroke") and not _PAINT.match(value):
        raise BadDrawingError(
            f"{name}={value!r}: colours come from the style sheet (none, currentColor, var(--name))"
        )
    if "url(" in value and _LOCAL.sub("", value).strip():
        raise BadDrawingError(f"{name}={value!r} may only point inside the drawing")


def _dress(root: ElementTree.Element, title: ElementTree.Element, prefix: str) -> None:
    title.set("id", title.get("id", "title"))
    classes = root.get("class", "").split()
    root.set("class", " ".join(classes if "engraving" in classes else [*classes, "engraving"]))
    root.set("role", "img")
    desc = root.find(f"{_NAMESPACE}desc")
    if desc is not None:
        desc.set("id", desc.get("id", "desc"))
    names = [f"{prefix}{e.get('id')}" for e in (title, desc) if e is not None]
    root.set("aria-labelledby", " ".join(names))
    for size in ("width", "height"):
        root.attrib.pop(size, None)


def _write(element: ElementTree.Element, prefix: str) -> Iterator[str]:
    tag = str(element.tag).removeprefix(_NAMESPACE)
    attributes = "".join(
        f' {name}="{escape(_renamed(name, value, prefix))}"' for name, value in element.attrib.items()
    )
    yield f"<{tag}{attributes}>"
    yield escape(element.text or "", quote=False) if tag in _TEXT_TAGS else ""
    for child in element:
        yield from _write(child, prefix)
        yield escape(child.tail or "", quote=False) if tag in _TEXT_TAGS else ""
    yield f"</{tag}>"


def _renamed(name: str, value: str, prefix: str) -> str:
    if name == "id":
        return prefix + value
    if name == "href":
        return f"#{prefix}{value[1:]}"
    return _LOCAL.sub(rf"url(#{prefix}\1)", value)
