"""Following topics by long polls: the records of a topic, as soon as the broker has them.

The pause comes after data: a record on a quiet topic shows at once, a busy one is read in larger pieces,
since a broker's cost is per fetch and not per record (33 fetches a second at most).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from sandboxes.wire import batches, requests
from sandboxes.wire.batches import Batch
from sandboxes.wire.cluster import Cluster
from sandboxes.wire.connection import Connection
from sandboxes.wire.errors import GONE, MOVED, CorruptAnswer, TooLarge, WireError
from sandboxes.wire.requests import EARLIEST, LATEST, Fetched, PartitionMeta, Position, TopicMeta

PARTITION_BYTES = 512 * 1024
TOTAL_BYTES = 4 * 1024 * 1024
QUIET_PAUSE_S = 0.030
BUSY_PAUSE_S = 0.050
BUSY_RECORDS_PER_S = 150
MOST_BYTES_PER_S = 32 * 1024 * 1024
RETRY_S = (0.1, 0.2, 0.5, 1.0)
_SPARE_S = 1.0
_FAR_BEHIND = 100_000
_PATIENCE_S = 2.0
_JUMP_SHORT_OF_END = 200


class StartAt(Enum):
    """Where a tail starts in a partition it has not read: a few records back, at the end, or at the log
    start.
    """

    RECENT = auto()
    END = auto()
    BEGINNING = auto()


class Sink(Protocol):
    """Takes what a tail reads. Called on the tail's event loop; must not wait."""

    def take(self, partition: int, found: Sequence[Batch], start: int, *, is_history: bool) -> int:
        """Batches that hold `start` and what follows; the next offset wanted."""

    def reached(self, topic_id: bytes, partition: int, *, start: int, end: int) -> None:
        """Log start and end of a partition, as of the last answer."""

    def missed(self, partition: int, start: int, end: int, why: str) -> None:
        """Offsets start..end-1 were not read. why: "behind", "deleted", "large" or "unreadable"."""

    def renewed(self) -> None:
        """The topic was made anew: what was taken belongs to another."""


@dataclass(slots=True)
class _Place:
    """Where a tail is in one partition. history: records below it were there before anybody looked."""

    offset: int
    history: int
    leader: int
    epoch: int
    behind_since: float = 0.0


class TopicTail:
    """Reads all partitions of one topic, one long poll per broker that leads some of them.

    placed: it knows from where on it will miss nothing; ready: it has read what was there before.
    """

    def __init__(
        self, cluster: Cluster, name: str, sink: Sink, *, start: StartAt, recent: int = 0, wait_ms: int = 500
    ) -> None:
        self._cluster = cluster
        self._name = name
        self._sink = sink
        self._start = start
        self._recent = recent
        self._wait_ms = wait_ms
        self._topic_id = b""
        self._places: dict[int, _Place] = {}
        self._left: dict[int, int] = {}
        self._loops: dict[int, asyncio.Task[None]] = {}
        self._look = asyncio.Event()
        self._rate = _Rate()
        self.placed = asyncio.Event()
        self.ready = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled; a broker that is away is tried again for ever."""
        try:
            while True:
                self._look.clear()
                with contextlib.suppress(WireError):
                    await self._place()
                    if self._cluster.meta:
                        self.placed.set()
                self._start_loops()
                self._check_ready()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._look.wait(), 1.0)
        finally:
            for loop in self._loops.values():
                loop.cancel()
            await asyncio.gather(*self._loops.values(), return_exceptions=True)

    def look(self) -> None:
        """Leaders or topics may have changed."""
        self._look.set()

    # -- Where to read -------------------------------------------------------------------------------------

    async def _place(self) -> None:
        topic = self._cluster.topic(self._name)
        if topic is None:
            if self._cluster.meta:
                self._start = StartAt.BEGINNING  # what appears from now on is new from its first record
            self._places.clear()
            return
        if topic.topic_id != self._topic_id:
            self._renew(topic.topic_id)
        for part in topic.partitions:
            place = self._places.get(part.index)
            if place and part.epoch >= place.epoch:
                place.leader, place.epoch = part.leader, part.epoch
        await self._place_new(topic)

    def _renew(self, topic_id: bytes) -> None:
        if self._topic_id:
            self._places.clear()
            self._left.clear()
            self._sink.renewed()
        self._topic_id = topic_id

    async def _place_new(self, topic: TopicMeta) -> None:
        new = [p for p in topic.partitions if p.index not in self._places and p.leader >= 0]
        for leader in {p.leader for p in new}:
            wanted = {self._name: [p.index for p in new if p.leader == leader]}
            ends = await self._cluster.ask(leader, requests.list_offsets(wanted, LATEST))
            starts = await self._cluster.ask(leader, requests.list_offsets(wanted, EARLIEST))
            for part in new:
                key = (self._name, part.index)
                if part.leader == leader and key in ends and key in starts:
                    self._places[part.index] = self._first(part, starts[key], ends[key])
                    self._sink.reached(topic.topic_id, part.index, start=starts[key], end=ends[key])

    def _first(self, part: PartitionMeta, start: int, end: int) -> _Place:
        """Where to begin, or where to go on after the log lost the place we had."""
        left = self._left.pop(part.index, None)
        if left is not None:
            if start > left:
                self._sink.missed(part.index, left, start, "deleted")
            offset = history = min(max(left, start), end)
        elif self._start is StartAt.BEGINNING:
            offset = history = start
        else:
            offset, history = (end if self._start is StartAt.END else max(start, end - self._recent)), end
        return _Place(offset, history, part.leader, part.epoch)

    def _check_ready(self) -> None:
        if self._places and all(place.offset >= place.history for place in self._places.values()):
            self.ready.set()

    # -- Reading -------------------------------------------------------------------------------------------

    def _start_loops(self) -> None:
        for leader in {place.leader for place in self._places.values() if place.leader >= 0}:
            if leader not in self._loops or self._loops[leader].done():
                self._loops[leader] = asyncio.create_task(self._follow(leader))

    def _positions(self, leader: int) -> list[Position]:
        return [
            Position(index, place.offset, place.epoch)
            for index, place in sorted(self._places.items())
            if place.leader == leader
        ]

    async def _follow(self, leader: int) -> None:
        line: Connection | None = None
        failures = 0
        try:
            while positions := self._positions(leader):
                try:
                    line = line or self._cluster.line(leader)
                    pause = await self._fetch(line, positions)
                    failures = 0
                except TooLarge:
                    await self._step_over(leader, positions)
                    continue
                except WireError:
                    self._cluster.want_refresh()
                    await asyncio.sleep(RETRY_S[min(failures, len(RETRY_S) - 1)])
                    failures += 1
                    continue
                if pause is not None:
                    await asyncio.sleep(pause)
        finally:
            if line:
                line.close()

    async def _step_over(self, leader: int, positions: list[Position]) -> None:
        """One of these partitions goes on with a batch that is too large for us: alone it shows itself."""
        with contextlib.suppress(WireError):
            for position in positions:
                line = self._cluster.line(leader)
                try:
                    await self._fetch(line, [position])
                except TooLarge:
                    await self._leave_out(leader, position.partition)
                finally:
                    line.close()

    async def _leave_out(self, leader: int, partition: int) -> None:
        wanted = requests.list_offsets({self._name: [partition]}, LATEST)
        end = (await self._cluster.ask(leader, wanted)).get((self._name, partition), 0)
        if place := self._places.get(partition):
            self._miss(partition, place, end, "large")

    async def _fetch(self, line: Connection, positions: list[Position]) -> float | None:
        """One long poll. None when it brought nothing, else how long to pause after it."""
        topic_id = self._topic_id
        request = requests.fetch(
            topic_id,
            positions,
            wait_ms=self._wait_ms,
            partition_bytes=PARTITION_BYTES,
            total_bytes=TOTAL_BYTES,
        )
        answer = await line.ask(request, within_s=self._wait_ms / 1000 + _SPARE_S)
        if topic_id != self._topic_id:
            return None
        size, is_full = 0, False
        for part in answer:
            place = self._places.get(part.partition)
            if place is None:
                continue
            if part.error:
                self._amiss(part, place)
            else:
                self._take(part, place)
                size += len(part.data)
                is_full = is_full or len(part.data) >= PARTITION_BYTES
        if not self.ready.is_set():
            self._check_ready()
        return max(0 if is_full else self._rate.pause(), size / MOST_BYTES_PER_S) if size else None

    def _take(self, part: Fetched, place: _Place) -> None:
        found: list[Batch] = []
        is_readable = True
        try:
            found.extend(batches.scan(part.data))  # what came before the unreadable is kept
        except CorruptAnswer:
            is_readable = False
        if found:
            self._hand_over(part.partition, found, place)
        if not is_readable:
            self._miss(part.partition, place, part.high_watermark, "unreadable")
        self._sink.reached(self._topic_id, part.partition, start=part.log_start, end=part.high_watermark)
        self._keep_up(part, place)

    def _hand_over(self, partition: int, found: list[Batch], place: _Place) -> None:
        old = [batch for batch in found if batch.base_offset < place.history]
        new = found[len(old) :]
        self._rate.count(sum(batch.count for batch in new))
        for some, is_history in ((old, True), (new, False)):
            if some:
                place.offset = self._sink.take(partition, some, place.offset, is_history=is_history)

    def _keep_up(self, part: Fetched, place: _Place) -> None:
        """Far behind for too long: go on near the end, and say what was left out."""
        now = time.monotonic()
        if part.high_watermark - place.offset < _FAR_BEHIND:
            place.behind_since = 0.0
        elif not place.behind_since:
            place.behind_since = now
        elif now - place.behind_since > _PATIENCE_S:
            self._miss(part.partition, place, part.high_watermark - _JUMP_SHORT_OF_END, "behind")

    def _amiss(self, part: Fetched, place: _Place) -> None:
        """Take a failing partition out of the poll, which would come back at once with the same error."""
        if part.error in MOVED and part.leader and part.leader[0] in self._cluster.brokers:
            place.leader, place.epoch = part.leader
        elif part.error in GONE or part.error in MOVED:
            place.leader = -1
        else:
            # Retention can move the log start past our place, an unclean election can cut the log below it.
            self._left[part.partition] = self._places.pop(part.partition).offset
        self._cluster.want_refresh()
        self._look.set()

    def _miss(self, partition: int, place: _Place, end: int, why: str) -> None:
        if end > place.offset:
            self._sink.missed(partition, place.offset, end, why)
            place.offset = end


class _Rate:
    """Records per second over the last one, to choose the pause by."""

    def __init__(self) -> None:
        self._since = time.monotonic()
        self._count = 0
        self._is_busy = False

    def count(self, records: int) -> None:
        now = time.monotonic()
        self._count += records
        if now - self._since >= 1.0:
            self._is_busy = self._count / (now - self._since) > BUSY_RECORDS_PER_S
            self._since, self._count = now, 0
        elif self._count > BUSY_RECORDS_PER_S:
            self._is_busy = True

    def pause(self) -> float:
        return BUSY_PAUSE_S if self._is_busy else QUIET_PAUSE_S
