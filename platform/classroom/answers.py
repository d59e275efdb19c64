"""A student's answers to the questions of the text, in words; for the page of one student."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from html import unescape
from typing import Any

from django.utils.html import strip_tags

from lessons.models import Answer
from lessons.selectors import ServedCourse


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRow:
    """One question and what was answered. first: the first answer where it was another one.

    right: None for a prediction, which is not graded.
    """

    is_prediction: bool
    lesson: str
    prompt: str
    answer: str
    first: str
    right: bool | None
    tries: int
    at: datetime


def answer_rows(answers: Iterable[Answer], course: ServedCourse | None) -> tuple[AnswerRow, ...]:
    """The answers as sentences; a question that the text has no longer keeps its name."""
    return tuple(_row(answer, course) for answer in answers)


def _row(answer: Answer, course: ServedCourse | None) -> AnswerRow:
    page = course.by_lesson_id.get(answer.lesson_id) if course else None
    ask: Mapping[str, Any] = page.asks.get(f"{answer.kind}:{answer.item_id}", {}) if page else {}
    return AnswerRow(
        is_prediction=answer.kind == Answer.Kind.PREDICT,
        lesson=f"{page.number} {page.front['title']}" if page else answer.lesson_id,
        prompt=_text(ask.get("prompt") or ask.get("body")) or answer.item_id,
        answer=_said(ask, answer.answer),
        first=_said(ask, answer.first) if answer.first != answer.answer else "",
        right=answer.right,
        tries=answer.tries,
        at=answer.at,
    )


def _said(ask: Mapping[str, Any], answer: str) -> str:
    """The words of what was chosen; of an order, one after the other."""
    words = {option["id"]: _text(option["html"]) for option in ask.get("options", ())}
    if ask.get("kind") == "order":
        return " → ".join(words.get(part, part) for part in answer.split(","))
    return words.get(answer, answer)


def _text(html: str | None) -> str:
    """An author's HTML as plain text, which the template escapes again."""
    return unescape(strip_tags(html or "")).strip()
