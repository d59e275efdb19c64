"""What a browser may say on the live socket, and nothing else. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from accounts.sockets import INBOUND_BYTES

MOST_TOPICS = 64
_TOPIC_CHARACTERS = 249  # Kafka's own limit
_DIGITS = 19


class BadOp(ValueError):
    """Not one of ours, or not in our form: the socket is closed."""


@dataclass(frozen=True, slots=True)
class Place:
    """The last frame a browser has applied."""

    epoch: str
    seq: int


@dataclass(frozen=True, slots=True)
class Hello:
    topics: frozenset[str]
    resume: Place | None


@dataclass(frozen=True, slots=True)
class View:
    topics: frozenset[str]


@dataclass(frozen=True, slots=True)
class Ack:
    seq: int


@dataclass(frozen=True, slots=True)
class Pause:
    """Send no frames until `resume`: the page is hidden."""


@dataclass(frozen=True, slots=True)
class Resume:
    place: Place


Op = Hello | View | Ack | Pause | Resume


def parse(text: str) -> Op:
    """The operation in one websocket text. Raises BadOp."""
    if len(text.encode()) > INBOUND_BYTES:
        raise BadOp("too long")
    try:
        fields = orjson.loads(text)
        kind = fields["op"]
        if kind == "hello":
            return Hello(
                _topics(fields["view"]), None if fields["resume"] is None else _place(fields["resume"])
            )
        if kind == "view":
            return View(_topics(fields["topics"]))
        if kind == "ack":
            return Ack(_number(fields["seq"]))
        if kind == "pause":
            return Pause()
        if kind == "resume":
            return Resume(_place(fields))
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadOp("not an operation") from error
    raise BadOp("not an operation")


def hello(topics: list[str], epoch: str, seq: str) -> Hello:
    """The same from an address; an empty epoch asks for a snapshot. Raises BadOp."""
    return Hello(_topics(topics), Place(epoch, whole(seq)) if epoch else None)


def whole(text: str) -> int:
    """A number in an address. Raises BadOp; also for more digits than Python would read."""
    if not (text.isascii() and text.isdecimal() and len(text) <= _DIGITS):
        raise BadOp("a sequence is a whole number")
    return int(text)


def _topics(value: Any) -> frozenset[str]:
    is_list = isinstance(value, list) and len(value) <= MOST_TOPICS
    if not is_list or not all(isinstance(name, str) and 0 < len(name) <= _TOPIC_CHARACTERS for name in value):
        raise BadOp("topics are a list of names")
    return frozenset(value)


def _place(value: Any) -> Place:
    if not isinstance(value, dict) or not isinstance(value["epoch"], str):
        raise BadOp("a place is an epoch and a sequence")
    return Place(value["epoch"], _number(value["seq"]))


def _number(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise BadOp("a sequence is a whole number")
    return value
