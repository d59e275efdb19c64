"""Program text to HTML with three plain marks: b for keywords, s for strings, i for comments; no colour."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Operator, String, _TokenType
from pygments.util import ClassNotFound

LANGUAGES = ("python", "sh", "json", "properties", "yaml", "text", "")


def mark_up(text: str, language: str) -> str:
    """`text` as the inside of a <code>; a language nobody knows is plain text."""
    if language in ("", "text"):
        return escape(text, quote=False)
    try:
        lexer = get_lexer_by_name("bash" if language == "sh" else language, stripnl=False)
    except ClassNotFound:
        return escape(text, quote=False)
    return "".join(_marked(kind, value) for kind, value in _runs(lexer.get_tokens(text)))


def _runs(tokens: Iterable[tuple[_TokenType, str]]) -> list[tuple[str, str]]:
    """Neighbouring tokens with the same mark, joined."""
    runs: list[tuple[str, str]] = []
    for kind, value in tokens:
        mark = _mark(kind)
        if runs and runs[-1][0] == mark:
            runs[-1] = (mark, runs[-1][1] + value)
        else:
            runs.append((mark, value))
    return runs


def _mark(kind: _TokenType) -> str:
    for family, mark in ((Keyword, "b"), (Operator.Word, "b"), (String, "s"), (Comment, "i")):
        if kind in family:  # type: ignore[comparison-overlap]  # token types are tuples that hold their kin
            return mark
    return ""


def _marked(mark: str, text: str) -> str:
    safe = escape(text, quote=False)
    return f"<{mark}>{safe}</{mark}>" if mark and text.strip() else safe
