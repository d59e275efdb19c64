"""Frames of one moment, made ready once for all who watch a sandbox."""

from __future__ import annotations

import time
from collections.abc import Sequence

from live.frames import Lane
from live.outgoing import MESSAGE_BYTES
from live.stream import Envelope

# What a viewer is to acknowledge: up to which frame, how many bytes, sent when (monotonic seconds).
Debt = tuple[int, int, float]


class Volley:
    """Frames of one epoch without a gap between them, and all of them as the lines of one message.

    topics: whose records are in it; together: "" when that would be too long for one message.
    """

    __slots__ = ("debt", "epoch", "first", "frames", "together", "topics")

    def __init__(self, envelopes: Sequence[Envelope]) -> None:
        self.epoch, self.first = envelopes[0].epoch, envelopes[0].seq
        self.topics = frozenset(e.topic for e in envelopes if e.lane is Lane.RECORDS)
        self.frames = [(envelope, envelope.data.decode()) for envelope in envelopes]
        together = "\n".join(text for _, text in self.frames)
        self.together = together if len(together) <= MESSAGE_BYTES else ""
        self.debt: Debt = envelopes[-1].seq, len(together), time.monotonic()
