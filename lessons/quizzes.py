"""The typed form of quiz.yaml, and the judging of an answer to one of its items. Plain Python."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lessons.labs import Slug, TopicName, Written

Reading = Literal["end", "start", "partitions", "records", "lag", "members", "committed"]


class Option(Written):
    """One answer to choose. why: what is shown when it is chosen."""

    id: Slug
    text: str
    right: bool = False
    why: str = ""


class Read(Written):
    """A number read from the student's own sandbox when they answer; partition None sums over all."""

    what: Reading
    topic: TopicName | None = None
    partition: Annotated[int, Field(ge=0)] | None = None
    group: str | None = None

    @model_validator(mode="after")
    def _has_what_it_needs(self) -> Read:
        if self.what != "members" and self.topic is None:
            raise ValueError(f"reading {self.what} needs a topic")
        if self.what in ("lag", "members", "committed") and self.group is None:
            raise ValueError(f"reading {self.what} needs a group")
        return self


class Item(Written):
    """One question. kind decides which of the other fields it has."""

    id: Slug
    kind: Literal["choice", "order", "numeric"]
    prompt: str
    options: tuple[Option, ...] = ()
    why: str = ""
    answer: float | None = None
    tolerance: Annotated[float, Field(ge=0)] = 0
    read: Read | None = None
    whys: dict[str, str] = {}

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Item:
        for complaint in _complaints(self):
            raise ValueError(complaint)
        return self


class Quiz(Written):
    items: tuple[Item, ...] = ()

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Quiz:
        ids = [item.id for item in self.items]
        for item_id in ids:
            if ids.count(item_id) > 1:
                raise ValueError(f"item {item_id!r} is there twice")
        return self


def _complaints(item: Item) -> list[str]:
    if item.kind == "numeric":
        if (item.answer is None) == (item.read is None):
            return ["a numeric item has either an answer or a read"]
        return ["a numeric item has no options"] if item.options else []
    found = []
    if len(item.options) < 2:
        found.append("needs at least two options")
    if len({option.id for option in item.options}) < len(item.options):
        found.append("two options have the same id")
    if item.kind == "choice":
        if sum(option.right for option in item.options) != 1:
            found.append("a choice has exactly one right option")
        found += [f"option {option.id!r} needs a why" for option in item.options if not option.why]
    elif not item.why:
        found.append("an order item needs a why")
    return found


def is_right(item: Item, answer: str, *, measured: float | None = None) -> bool:
    """Whether `answer` is right: an option id, ids joined by commas in order, or a number.

    measured: what the student's sandbox said, for an item with `read`.
    """
    if item.kind == "choice":
        return any(option.right and option.id == answer for option in item.options)
    if item.kind == "order":
        return answer == ",".join(option.id for option in item.options)
    number, wanted = parse_number(answer), item.answer if item.read is None else measured
    return number is not None and wanted is not None and abs(number - wanted) <= item.tolerance


def is_answer(item: Item, answer: str) -> bool:
    """Whether `answer` is one the item could be given at all."""
    ids = {option.id for option in item.options}
    if item.kind == "choice":
        return answer in ids
    if item.kind == "order":
        given = answer.split(",")
        return len(given) == len(ids) and set(given) == ids
    return parse_number(answer) is not None


def parse_number(text: str) -> float | None:
    """A number as people write it (1,024 or 1 024 or 1024.5); None when it is none."""
    try:
        number = float(text.strip().replace(",", "").replace(" ", "").replace("\u202f", ""))
    except ValueError:
        return None
    return number if abs(number) < 1e15 else None
