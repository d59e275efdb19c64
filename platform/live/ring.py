"""The last frames of one sandbox as a web process keeps them."""

from __future__ import annotations

from collections import deque

from live.feed import Past
from live.frames import RING_SECONDS
from live.stream import RING_BYTES, RING_FRAMES, Envelope


class Ring:
    """The last frames of one epoch, without a gap between them."""

    def __init__(self, epoch: str = "", seq: int = 0) -> None:
        self.epoch = epoch
        self.seq = seq
        self._frames: deque[Envelope] = deque()
        self._bytes = 0

    def append(self, envelope: Envelope) -> None:
        self._frames.append(envelope)
        self._bytes += envelope.size()
        self.seq = envelope.seq
        oldest = envelope.t - RING_SECONDS * 1000
        while len(self._frames) > RING_FRAMES or self._bytes > RING_BYTES or self._frames[0].t < oldest:
            self._bytes -= self._frames.popleft().size()

    def covers(self, seq: int) -> bool:
        """Whether everything after `seq` is here."""
        return seq == self.seq or (bool(self._frames) and self._frames[0].seq <= seq + 1 and seq <= self.seq)

    def after(self, seq: int) -> list[Envelope]:
        return [envelope for envelope in self._frames if envelope.seq > seq]


def ring_of(past: Past) -> Ring:
    """The frames of the snapshot's epoch as a ring: the snapshot's own place when there are none."""
    mine = [envelope for envelope in past.ring if envelope.epoch == past.epoch]
    ring = Ring(past.epoch, past.seq if not mine or mine[-1].seq < past.seq else 0)
    for envelope in mine:
        ring.append(envelope)
    ring.seq = max(ring.seq, past.seq)
    return ring
