"""Questions and predictions: stored as rendered parts, filled in for one student at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe


def safe(html: str) -> SafeString:
    """Mark HTML that `clean`, `inline_svg` or a template of ours made."""
    return mark_safe(html)  # noqa: S308 - see above


def fill_ask(kind: str, ask: Mapping[str, Any], **state: object) -> str:
    """The HTML of a question as one student sees it; without state, as nobody has answered it."""
    template = "lessons/quiz.html" if kind == "quiz" else "lessons/directives/predict.html"
    marked = _marked(ask)
    context: dict[str, Any] = {"options": marked["options"], **state, "ask": marked}
    return render_to_string(template, context)


def _marked(ask: Any) -> Any:
    """Stored HTML parts, marked as such again; their other strings are ids."""
    if isinstance(ask, Mapping):
        return {key: value if key == "item" else _marked(value) for key, value in ask.items()}
    if isinstance(ask, list):
        return [_marked(value) for value in ask]
    return safe(ask) if isinstance(ask, str) else ask
