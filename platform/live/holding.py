"""Frames held back for a viewer that is slow, merged by the rule of each lane. Pure.

State: the latest value wins. Events: all, in order. Records: their account only. What comes out takes the
last numbers of the sequence that went in, behind a skip for the rest, so that the viewer sees no gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from live import frames
from live.frames import Lane, Part
from live.stream import Envelope

Parts = dict[int, Part]


class Held:
    """Collects envelopes of one epoch, in order, until they are taken."""

    def __init__(self) -> None:
        self._first: Envelope | None = None
        self._last: Envelope | None = None
        self._set: list[tuple[list[Any], Any]] = []
        self._events: list[dict[str, Any]] = []
        self._parts: dict[str, Parts] = {}

    def skip(self, envelope: Envelope) -> None:
        """A frame that is not for this viewer still has a place in the sequence."""
        self._first = self._first or envelope
        self._last = envelope

    def add(self, envelope: Envelope) -> None:
        self.skip(envelope)
        if envelope.lane is Lane.RECORDS:
            self._add_parts(envelope)
            return
        fields = orjson.loads(envelope.data)
        if envelope.lane is Lane.STATE:
            for path, value in fields["set"]:
                self._add_patch(path, value)
        else:
            self._events += fields["events"]

    def take(self) -> list[tuple[int, bytes]]:
        """Sequence and JSON of what to send for all that was held; empty when nothing was."""
        first, last = self._first, self._last
        if first is None or last is None:
            return []
        bodies = list(self._bodies())
        seq = last.seq - len(bodies)
        found = []
        if seq >= first.seq:
            found.append((seq, frames.encode(frames.Skip(e=last.epoch, s=seq, t=last.t, from_=first.seq))))
        for make, fields in bodies:
            seq += 1
            found.append((seq, frames.encode(make(e=last.epoch, s=seq, t=last.t, **fields))))
        return found

    def _bodies(self) -> Iterator[tuple[Any, dict[str, Any]]]:
        if self._set:
            yield frames.State, {"set": self._set}
        if self._events:
            yield frames.Events, {"events": self._events}
        for topic, parts in self._parts.items():
            yield frames.Records, {"topic": topic, "parts": list(parts.values()), "records": []}

    def _add_patch(self, path: list[Any], value: Any) -> None:
        """Drop what the new value covers, but not the removal before a making anew."""
        depth = len(path)
        self._set = [
            (p, v)
            for p, v in self._set
            if p[:depth] != path or (v is None and value is not None and len(p) == depth)
        ]
        self._set.append((path, value))

    def _add_parts(self, envelope: Envelope) -> None:
        parts = self._parts.setdefault(envelope.topic, {})
        for fields in orjson.loads(envelope.lean)["parts"]:
            part = Part(**fields)
            old = parts.get(part.p)
            parts[part.p] = part if old is None else old.joined(part)
