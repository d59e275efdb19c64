"""What HTML an author's text may become. Forms, buttons and scripts only ever come from our templates."""

from __future__ import annotations

import nh3

_TAGS = {
    "a", "abbr", "b", "blockquote", "br", "cite", "code", "dd", "del", "dfn", "div", "dl", "dt", "em", "h3",
    "h4", "hr", "i", "kbd", "li", "ol", "output", "p", "pre", "q", "s", "small", "span", "strong", "sub",
    "sup", "table", "tbody", "td", "th", "thead", "tr", "ul", "var",
}  # fmt: skip
_ATTRIBUTES = {
    "a": {"href", "title"},
    "abbr": {"title"},
    "h3": {"id"},
    "h4": {"id"},
    "ol": {"start"},
    "output": {"data-live", "data-group", "data-topic", "data-partition"},
    "pre": {"tabindex"},
    "span": {"data-key"},
    "td": {"align"},
    "th": {"align", "scope"},
}
_CLASSES = {"output": {"lv"}, "span": {"key"}, "div": {"code"}}


def clean(html: str) -> str:
    """The same HTML without anything that is not on the list."""
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer",
    )
