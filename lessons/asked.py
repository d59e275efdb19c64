"""Questions and predictions of a lesson's text as HTML, with what a student answered."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.html import escape
from django.utils.safestring import SafeString

from lessons.models import Answer
from lessons.rendering.asks import fill_ask, safe


def answered(ask: dict[str, Any], answer: Answer) -> str:
    """A question with a student's answer and why it is right or not, or a prediction and what happens."""
    return _quiz(ask, answer) if answer.kind == Answer.Kind.QUIZ else _prediction(ask, answer)


def refused(ask: dict[str, Any], given: str, places: Mapping[str, int], sentence: str) -> str:
    """A question whose answer could not be taken, with what was given still in the form.

    places: of an order, option -> the place chosen for it; two may have the same.
    """
    said = safe(f"<p>{escape(sentence)}</p>")
    return fill_ask("quiz", ask, given=given, right=False, sentence=said, **_ordered(ask, places))


def not_written(ask: dict[str, Any], chosen: str, sentence: str) -> str:
    """A prediction that could not be written down, with what was chosen still in the form."""
    known = chosen if chosen in {option["id"] for option in ask["options"]} else ""
    return fill_ask("predict", ask, chosen=known, sentence=sentence)


def _quiz(ask: dict[str, Any], answer: Answer) -> str:
    places = {name: n for n, name in enumerate(answer.answer.split(","), start=1)}
    state = {"given": answer.answer, "right": bool(answer.right), "sentence": why_of(ask, answer)}
    return fill_ask("quiz", ask, **state, **_ordered(ask, places))


def _ordered(ask: dict[str, Any], places: Mapping[str, int]) -> dict[str, Any]:
    """The options of an order with their places; nothing for another kind of question."""
    if ask["kind"] != "order":
        return {}
    options = ask["options"]
    return {
        "options": [
            {**option, "html": safe(option["html"]), "place": places.get(option["id"])} for option in options
        ]
    }


def why_of(ask: dict[str, Any], answer: Answer) -> SafeString:
    """Why an answer is right or not, as its author says; a wrong number learns nothing of the right one."""
    if ask["kind"] == "choice":
        why = next((option["why"] for option in ask["options"] if option["id"] == answer.answer), "")
    else:
        why = ask["why"] if answer.right else ask["whys"].get(answer.answer, "Not yet. Try once more.")
    if answer.right and answer.measured is not None:
        why = f"<b>Your sandbox says {answer.measured:g}.</b> {why}"
    return safe(f"<p>{why}</p>")


def _prediction(ask: dict[str, Any], answer: Answer) -> str:
    expected = next((option["html"] for option in ask["options"] if option["id"] == answer.answer), "")
    return fill_ask("predict", ask, given=answer.answer, expected=safe(expected))
