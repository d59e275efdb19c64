"""Reads the records of topics for one look, within bounds: so many, of so many bytes, for so long.

What students write may be made to burst us: a client library opens a batch whole, and half a megabyte of gzip
holds half a gigabyte of zeros. So batches are opened here, up to a bound (`wire`).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from sandboxes import brokers
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.view import Isolation, RecordView, ScanTooLarge, ViewUnavailable
from sandboxes.wire import batches
from sandboxes.wire.batches import WireRecord
from sandboxes.wire.cluster import Cluster
from sandboxes.wire.connection import Connection
from sandboxes.wire.errors import GONE, OFFSET_OUT_OF_RANGE, Refused, TooLarge, WireError
from sandboxes.wire.requests import (
    EARLIEST,
    Fetched,
    PartitionMeta,
    Position,
    TopicMeta,
    fetch,
    list_offsets,
)
from sandboxes.wire.whole import all_records

RECORDS_MAX = 100_000
RECORDS_BYTES = 32 * 1024 * 1024  # in all that one look holds: a megabyte on disk can open into gigabytes
SCAN_S = 10.0
# What one batch may open into: records of which all are wanted, and what lies around them.
_BATCH_BYTES = RECORDS_BYTES + 4 * 1024 * 1024
# A header takes so much besides the bytes it is written in: two of these can be all of it.
_HEADER_BYTES = 160
# One batch takes a quarter of a second at most; thousands come in one answer.
_TURN_S = 0.05
# A broker gives one batch however little is asked for (KIP-74); a stock one fits into an answer.
_FETCH_BYTES, _ANSWER_BYTES = 512 * 1024, 1_500_000
_WAIT_MS = 20

# The first offset to read, and the first not to, by partition.
Spans = Mapping[int, tuple[int, int]]


class Scanner:
    """All that one of these reads shares RECORDS_BYTES; RECORDS_MAX and SCAN_S are for each scan."""

    def __init__(self, endpoint: KafkaEndpoint) -> None:
        self._endpoint = endpoint
        self._room = RECORDS_BYTES

    def scan(self, topic: str, spans: Spans, isolation: Isolation) -> tuple[RecordView, ...]:
        """The records, by partition then offset, of all that is there still: retention may move a beginning.

        Raises ScanTooLarge, and ViewUnavailable when an end that was there is not reached.
        """
        spans = {partition: (begin, end) for partition, (begin, end) in spans.items() if end > begin}
        count = sum(end - begin for begin, end in spans.values())
        if count > RECORDS_MAX:
            raise ScanTooLarge.by_count(topic, count, RECORDS_MAX)
        if not spans:
            return ()

        async def questions(cluster: Cluster) -> _Reading:
            reading = _Reading(topic, spans, self._room, committed=isolation == "read_committed")
            await _drain(cluster, reading)
            return reading

        try:
            read = brokers.ask(self._endpoint, questions, patience_s=SCAN_S - brokers.REQUEST_S)
        except _NoRoom:
            raise ScanTooLarge.by_bytes(topic, RECORDS_BYTES) from None
        except Refused as error:
            raise ViewUnavailable(str(error)) from error
        self._room = read.room
        return tuple(sorted(read.found, key=lambda record: (record.partition, record.offset)))


class _NoRoom(Exception):
    """The records are larger than there is room for."""


@dataclass(slots=True, repr=False)  # in a main thread, asyncio.run would make it of all records
class _Reading:
    """One scan under way.

    left: the first offset to read and the first not to, of the partitions that are not read up to there yet;
    room: bytes that are left for records; turn: when other work on the loop is due, the time limit's too.
    """

    topic: str
    spans: Spans
    room: int
    committed: bool
    found: list[RecordView] = field(default_factory=list)
    left: dict[int, tuple[int, int]] = field(init=False)
    turn: float = 0.0

    def __post_init__(self) -> None:
        self.left = dict(self.spans)

    async def take(self, part: Fetched) -> None:
        """What a broker gave of one partition. Raises _NoRoom; WireError when it is to be asked anew."""
        if part.partition not in self.left:
            return
        if part.error in GONE:
            raise WireError(f"the broker does not know {self.topic}")  # not yet, or not any more
        if part.error:
            raise Refused("fetch", part.error)
        await self._advance(part)

    async def _advance(self, part: Fetched) -> None:
        begin, end = self.left[part.partition]
        try:
            after = await self._read(part, begin, end)
        except TooLarge as error:
            raise _NoRoom from error
        last = part.stable if self.committed else part.high_watermark
        if not part.data and last <= begin:  # made anew, or its new leader is not that far yet
            raise WireError(f"the log of {self.topic} ends at {last}, where it had {end}")
        if part.data and after == begin:
            raise WireError(f"nothing from offset {begin} on in an answer")
        self._go_on(part.partition, after, end)

    def begin_again(self, partition: int, start: int) -> None:
        """The log begins at `start` now: what was read of it before is gone. Raises WireError."""
        begin, end = self.left[partition]
        if start <= begin:
            raise WireError(f"the log of {self.topic} does not reach offset {begin}")
        self.found = [record for record in self.found if record.partition != partition]
        self._go_on(partition, start, end)

    def _go_on(self, partition: int, begin: int, end: int) -> None:
        if begin < end:
            self.left[partition] = (begin, end)
        else:
            del self.left[partition]

    async def _read(self, part: Fetched, begin: int, end: int) -> int:
        """Take the records from `begin` to before `end`; the offset after all that was given."""
        given = [batch for batch in batches.scan(part.data) if batch.last_offset >= begin]
        if any(batch.count > RECORDS_MAX for batch in given):
            raise _NoRoom
        for batch in batches.visible(given, part.aborted):
            if batch.base_offset < end:
                for record in all_records(batch, start=begin, stop=end, most_bytes=_BATCH_BYTES):
                    self._keep(part.partition, record)
                await self._give_way()
        return given[-1].last_offset + 1 if given else begin

    async def _give_way(self) -> None:
        if time.monotonic() >= self.turn:
            await asyncio.sleep(0)
            self.turn = time.monotonic() + _TURN_S

    def _keep(self, partition: int, record: WireRecord) -> None:
        self.room -= record.size + _HEADER_BYTES * len(record.headers)
        if self.room < 0:
            raise _NoRoom
        self.found.append(
            RecordView(
                topic=self.topic,
                partition=partition,
                offset=record.offset,
                timestamp=record.ts / 1000,
                key=record.key,
                value=record.value,
                headers=record.headers,
            )
        )


async def _drain(cluster: Cluster, reading: _Reading) -> None:
    """Read all partitions up to their ends, from one leader after the other. Raises _NoRoom, WireError."""
    topic = cluster.topic(reading.topic)
    if topic is None:
        raise WireError(f"the broker does not know {reading.topic}")
    led: dict[int, list[PartitionMeta]] = {}
    for place in topic.partitions:
        if place.index in reading.left:
            led.setdefault(place.leader, []).append(place)
    for leader, places in led.items():
        await _drain_leader(cluster, leader, topic, places, reading)
    if reading.left:
        raise WireError(f"{reading.topic} has fewer partitions than it had")


async def _drain_leader(
    cluster: Cluster, leader: int, topic: TopicMeta, places: list[PartitionMeta], reading: _Reading
) -> None:
    line = cluster.line(leader, most_bytes=_ANSWER_BYTES)
    try:
        while wanted := [place for place in places if place.index in reading.left]:
            positions = [Position(p.index, reading.left[p.index][0], p.epoch) for p in wanted]
            request = fetch(
                topic.topic_id, positions, wait_ms=_WAIT_MS, partition_bytes=_FETCH_BYTES,
                total_bytes=_FETCH_BYTES, committed=reading.committed,
            )  # fmt: skip
            for part in await line.ask(request, within_s=brokers.REQUEST_S):
                if part.error == OFFSET_OUT_OF_RANGE:
                    reading.begin_again(part.partition, await _log_start(line, topic.name, part.partition))
                else:
                    await reading.take(part)
    except TooLarge as error:
        raise _NoRoom from error
    finally:
        line.close()


async def _log_start(line: Connection, topic: str, partition: int) -> int:
    """Where a log begins of which the first records were deleted. Raises WireError."""
    found = await line.ask(list_offsets({topic: [partition]}, EARLIEST), within_s=brokers.REQUEST_S)
    if (topic, partition) not in found:
        raise WireError(f"the broker does not know where {topic} begins")
    return found[topic, partition]
