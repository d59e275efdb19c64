"""From a picture that changes to a sequence of frames: what is sent, in which order, and under which
number.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from live import deltas, frames
from live.frames import RECORDS_KEPT, Frame, Lane
from live.lanes import KEPT_BYTES, pack
from live.picture import Picture, now_ms
from live.snapshots import Snapshot, as_json

RING_FRAMES = 1024
RING_BYTES = 2 * 1024 * 1024
RING_MS = frames.RING_SECONDS * 1000
_SNAP_RECORDS_BYTES = KEPT_BYTES
# A snapshot is renewed long before the ring has forgotten the frames that follow it.
_SNAP_FRAMES = 200
_SNAP_BYTES = 512 * 1024
_SNAP_MS = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """One encoded frame with what a hub must know to pass it on unopened.

    lean: the same records frame with its account only; b"" for other lanes.
    """

    epoch: str
    seq: int
    t: int
    lane: Lane
    topic: str
    data: bytes
    lean: bytes = b""

    def size(self) -> int:
        return len(self.data) + len(self.lean)


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """What one flush has to say. drop: frames that leave the ring at its old end; snap: b"" when not
    renewed.
    """

    epoch: str
    seq: int
    envelopes: list[Envelope]
    drop: int
    snap: bytes
    has_changed: bool


class Stream:
    """One epoch of one sandbox. Not started until the first `flush`, whose snapshot is where it begins."""

    def __init__(self, picture: Picture, epoch: str) -> None:
        self._picture = picture
        self.epoch = epoch
        self.seq = 0
        self._told = 0
        self._published: Snapshot | None = None
        self._ring: deque[tuple[int, int]] = deque()
        self._ring_bytes = 0
        self._since_snap = (0, 0, 0)

    def flush(self) -> Output:
        """The frames for everything that changed since the last call."""
        t = now_ms()
        first = self._published is None
        built = [] if first else list(self._frames(t))
        if first:
            self._start()
        envelopes = [self._envelope(frame) for frame in built]
        drop = self._remember(envelopes, t)
        snap = self._snap(t) if first or self._is_snap_due(envelopes, t) else b""
        has_changed = first or any(e.lane in (Lane.STATE, Lane.RECORDS) for e in envelopes)
        return Output(
            epoch=self.epoch, seq=self.seq, envelopes=envelopes, drop=drop, snap=snap, has_changed=has_changed
        )

    def _start(self) -> None:
        """What came before the first snapshot is in it."""
        self._picture.take_steps()
        self._picture.take_notes()
        for lane in self._picture.lanes.values():
            lane.take()
        self._published = self._picture.snapshot()

    # -- Frames --------------------------------------------------------------------------------------------

    def _frames(self, t: int) -> Iterator[Frame]:
        before, now = self._published, self._picture.snapshot()
        assert before is not None
        told: list[deltas.Event] = []
        at = before
        for step in [*self._picture.take_steps(), now]:
            told += deltas.events(at, step)
            at = step
        told += self._picture.take_notes()
        self._published = now
        if found := deltas.patches(before, now):
            yield frames.State(e=self.epoch, s=self._next(), t=t, set=found)
        if told:
            yield frames.Events(e=self.epoch, s=self._next(), t=t, events=self._numbered(told, t))
        for topic, lane in list(self._picture.lanes.items()):
            for parts, records in pack(lane.take()):
                yield frames.Records(
                    e=self.epoch, s=self._next(), t=t, topic=topic, parts=parts, records=records
                )

    def _numbered(self, told: list[deltas.Event], t: int) -> list[deltas.Event]:
        """With a number of its own that no other event of this epoch has, whichever frame brings it."""
        first, self._told = self._told + 1, self._told + len(told)
        return [{"t": t, "n": n, **event} for n, event in enumerate(told, first)]

    def _next(self) -> int:
        self.seq += 1
        return self.seq

    def _envelope(self, frame: Frame) -> Envelope:
        is_records = isinstance(frame, frames.Records)
        topic = frame.topic if isinstance(frame, frames.Records) else ""
        seq = getattr(frame, "s", 0)
        lean = _lean(frame) if is_records else b""
        return Envelope(
            epoch=self.epoch,
            seq=seq,
            t=frame.t,
            lane=frame.lane,
            topic=topic,
            data=frames.encode(frame),
            lean=lean,
        )

    # -- Ring and snapshot ---------------------------------------------------------------------------------

    def _remember(self, envelopes: list[Envelope], t: int) -> int:
        """Account for frames that enter the ring; how many leave it at the old end."""
        for envelope in envelopes:
            self._ring.append((envelope.t, envelope.size()))
            self._ring_bytes += envelope.size()
        drop = 0
        while self._ring and (
            len(self._ring) > RING_FRAMES or self._ring_bytes > RING_BYTES or t - self._ring[0][0] > RING_MS
        ):
            self._ring_bytes -= self._ring.popleft()[1]
            drop += 1
        return drop

    def _is_snap_due(self, envelopes: list[Envelope], t: int) -> bool:
        count, size, since = self._since_snap
        count, size = count + len(envelopes), size + sum(e.size() for e in envelopes)
        self._since_snap = (count, size, since)
        return bool(count) and (count >= _SNAP_FRAMES or size >= _SNAP_BYTES or t - since >= _SNAP_MS)

    def _snap(self, t: int) -> bytes:
        assert self._published is not None
        self._since_snap = (0, 0, t)
        records: dict[str, Any] = {name: self._newest(name) for name in self._picture.lanes}
        return frames.encode(
            frames.Snap(e=self.epoch, s=self.seq, t=t, records=records, **as_json(self._published))
        )

    def _newest(self, topic: str) -> list[orjson.Fragment]:
        """The last previews of a topic, fewer of each partition when they would weigh too much."""
        most, room = RECORDS_KEPT, _SNAP_RECORDS_BYTES // len(self._picture.lanes)
        found = self._picture.lanes[topic].newest(most)
        while sum(map(len, found)) > room and most:
            most //= 2
            found = self._picture.lanes[topic].newest(most)
        return [orjson.Fragment(one) for one in found]


def _lean(frame: Frame) -> bytes:
    assert isinstance(frame, frames.Records)
    parts = [
        frames.Part(p=p.p, first=p.first, last=p.last, seen=p.seen, shown=0, bytes=p.bytes, markers=p.markers)
        for p in frame.parts
    ]
    return frames.encode(
        frames.Records(e=frame.e, s=frame.s, t=frame.t, topic=frame.topic, parts=parts, records=())
    )
