"""What crosses the socket: one frozen dataclass per kind of frame, encoded to JSON once.

Mirrored by static/js/frames.js; both sides decode the stories in tests/live/fixtures. Times (`t`) are ms
since the
epoch on the server's clock. `e` and `s` place a frame: the epoch is one life of a sampler, the sequence
grows by
one per frame over all lanes. Plain Python, nothing of Kafka or Django.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar

import orjson

VALUE_BYTES = 2048
KEY_BYTES = 256
HEADERS = 20
RECORDS_PER_SECOND = 100
VIEWED_TOPICS = 8
RECORDS_KEPT = 60
RING_SECONDS = 60

LIMITS: Mapping[str, int] = {
    "value_bytes": VALUE_BYTES,
    "key_bytes": KEY_BYTES,
    "headers": HEADERS,
    "records_per_second": RECORDS_PER_SECOND,
    "viewed_topics": VIEWED_TOPICS,
    "records_kept": RECORDS_KEPT,
    "ring_seconds": RING_SECONDS,
}


class Lane(StrEnum):
    """state, events and records are sequenced and have a loss rule each; the rest is between one hub and
    one viewer.
    """

    STATE = "state"
    EVENTS = "events"
    RECORDS = "records"
    HELLO = "hello"
    SNAP = "snap"
    SKIP = "skip"
    LOST = "lost"
    PING = "ping"
    CONTROL = "control"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hello:
    """The first answer. resumed: what was missed follows, from after `s` on; else a snap follows."""

    lane: ClassVar[Lane] = Lane.HELLO
    e: str
    s: int
    t: int
    limits: Mapping[str, int]
    resumed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Snap:
    """The whole picture after frame `s`. records: topic -> the newest previews, oldest first."""

    lane: ClassVar[Lane] = Lane.SNAP
    e: str
    s: int
    t: int
    broker: Mapping[str, Any]
    topics: Mapping[str, Any]
    groups: Mapping[str, Any]
    records: Mapping[str, Sequence[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Absolute values by path; the latest wins, so several may be merged into one."""

    lane: ClassVar[Lane] = Lane.STATE
    e: str
    s: int
    t: int
    set: Sequence[tuple[Sequence[str | int], Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """What happened, in order; each with a sentence. Never merged, never dropped without a `lost`.

    n: events of an epoch are counted from 1. Frames that follow a snap may bring some that came before it.
    """

    lane: ClassVar[Lane] = Lane.EVENTS
    e: str
    s: int
    t: int
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The account of one partition in one records frame: offsets first..last, of which `seen` are records.

    shown: previews in this frame; bytes: on the wire; markers: ends of transactions, which take an offset
    each.
    """

    p: int
    first: int
    last: int
    seen: int
    shown: int
    bytes: int
    markers: int = 0

    def joined(self, later: Part) -> Part:
        """One account for this stretch and the one that follows it."""
        return Part(
            p=self.p,
            first=self.first,
            last=later.last,
            seen=self.seen + later.seen,
            shown=self.shown + later.shown,
            bytes=self.bytes + later.bytes,
            markers=self.markers + later.markers,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Previews of one topic, possibly only some of what came; the parts account for all of it."""

    lane: ClassVar[Lane] = Lane.RECORDS
    e: str
    s: int
    t: int
    topic: str
    parts: Sequence[Part]
    records: Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """Frames `from_`..`s` were not for this viewer; nothing it asked for is missing."""

    lane: ClassVar[Lane] = Lane.SKIP
    e: str
    s: int
    t: int
    from_: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """Frames `from_`..`to` will not come; a snap follows."""

    lane: ClassVar[Lane] = Lane.LOST
    e: str
    t: int
    from_: int
    to: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ping:
    """Every 15 s, and when the sampler falls silent or is heard again.

    heard: when it last gave a sign of life, or since when we listen for its first; 0 when nobody can tell.
    """

    lane: ClassVar[Lane] = Lane.PING
    t: int
    heard: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control event of the site (a stage, a verdict, a fault), passed on.

    kind "missed": some may have been lost; ask for everything again.
    """

    lane: ClassVar[Lane] = Lane.CONTROL
    t: int
    kind: str
    data: Mapping[str, Any]


Frame = Hello | Snap | State | Events | Records | Skip | Lost | Ping | Control


def encode(frame: Frame) -> bytes:
    """The frame as UTF-8 JSON, its lane first."""
    fields = {name.rstrip("_"): getattr(frame, name) for name in frame.__slots__}
    return orjson.dumps({"lane": frame.lane.value, **fields}, option=orjson.OPT_NON_STR_KEYS)


def decode(data: bytes | str) -> Frame:
    """The frame in some JSON; raises ValueError when it is none of ours."""
    fields = orjson.loads(data)
    kind = _KINDS.get(fields.pop("lane", None)) if isinstance(fields, dict) else None
    if kind is None:
        raise ValueError("not a frame")
    named = {("from_" if key == "from" else key): value for key, value in fields.items()}
    if kind is Records:
        named["parts"] = tuple(Part(**part) for part in named["parts"])
    try:
        frame: Frame = kind(**named)
    except TypeError as error:
        raise ValueError(f"not a {kind.lane} frame") from error
    return frame


_KINDS: Mapping[Any, type[Any]] = {
    kind.lane.value: kind for kind in (Hello, Snap, State, Events, Records, Skip, Lost, Ping, Control)
}
