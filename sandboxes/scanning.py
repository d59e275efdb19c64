"""Reads the records of topics for one look, within bounds: so many, of so many bytes, for so long.

A throw-away consumer with manual assignment joins no group and commits nothing. What students write may be
made to burst us, so the bounds hold for what was opened, not for what lay on disk.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.kafka_calls import ABSENT, quiet
from sandboxes.view import Isolation, RecordView, ScanTooLarge, ViewUnavailable

RECORDS_MAX = 100_000
RECORDS_BYTES = 32 * 1024 * 1024  # in all that one look holds: a megabyte on disk can open into gigabytes
SCAN_S = 10.0
_BATCH = 50  # a record may have a megabyte
# An answer is opened whole, so little is asked for at once: a hundred bytes may be a megabyte of zeros. A
# broker gives one batch all the same when it is larger (KIP-74); a stock one fits.
_FETCH_BYTES, _ANSWER_BYTES = 8192, 1_500_000
_TOO_LARGE = {KafkaError._BAD_COMPRESSION, KafkaError._BAD_MSG, KafkaError.MSG_SIZE_TOO_LARGE}  # noqa: SLF001

# The first offset to read, and the first not to, by partition.
Spans = Mapping[int, tuple[int, int]]


class Scanner:
    """All that one of these reads shares RECORDS_BYTES; RECORDS_MAX and SCAN_S are for each scan."""

    def __init__(self, endpoint: KafkaEndpoint) -> None:
        self._endpoint = endpoint
        self._room = RECORDS_BYTES

    def scan(self, topic: str, spans: Spans, isolation: Isolation) -> tuple[RecordView, ...]:
        """The records, by partition then offset. Raises ScanTooLarge, ViewUnavailable."""
        spans = {partition: (begin, end) for partition, (begin, end) in spans.items() if end > begin}
        count = sum(end - begin for begin, end in spans.values())
        if count > RECORDS_MAX:
            raise ScanTooLarge.by_count(topic, count, RECORDS_MAX)
        if not spans:
            return ()
        reading = _Reading(ends={partition: end for partition, (_, end) in spans.items()}, room=self._room)
        settings = {**client_settings(self._endpoint, isolation), "error_cb": reading.complaints.append}
        consumer = Consumer(settings)
        try:
            consumer.assign([TopicPartition(topic, p, begin) for p, (begin, _) in sorted(spans.items())])
            reading.drain(consumer)
        except _NoRoom:
            raise ScanTooLarge.by_bytes(topic, RECORDS_BYTES) from None
        finally:
            consumer.close()
        self._room = reading.room
        return tuple(_record(message) for message in sorted(reading.found, key=_place))


def client_settings(endpoint: KafkaEndpoint, isolation: Isolation) -> dict[str, object]:
    """A consumer's settings that keep what it holds at a time small."""
    return {
        **quiet(endpoint),
        "group.id": f"millrace-checks-{uuid4().hex[:8]}",  # a name is required; it is never joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "isolation.level": isolation,
        "fetch.wait.max.ms": 20,
        "queued.max.messages.kbytes": 4096,
        "fetch.queue.backoff.ms": 5,
        "message.max.bytes": _FETCH_BYTES,
        "fetch.message.max.bytes": _FETCH_BYTES,
        "fetch.max.bytes": _FETCH_BYTES,
        "receive.message.max.bytes": _ANSWER_BYTES,
        "check.crcs": False,
    }


class _NoRoom(Exception):
    """The records are larger than there is room for."""


@dataclass(slots=True)
class _Reading:
    """One scan under way.

    ends:       of the partitions that are not read up to there yet; room: bytes that are left for records.
    complaints: of connections, such as an answer that is too large to take.
    """

    ends: dict[int, int]
    room: int
    found: list[Message] = field(default_factory=list)
    complaints: list[KafkaError] = field(default_factory=list)

    def drain(self, consumer: Consumer) -> None:
        """Read all partitions up to their ends. Raises _NoRoom; ViewUnavailable when it takes too long."""
        deadline = time.monotonic() + SCAN_S
        while self.ends:
            if time.monotonic() > deadline:
                raise ViewUnavailable("the records could not be read in time")
            if any(complaint.code() in _TOO_LARGE for complaint in self.complaints):
                raise _NoRoom
            for message in _next(consumer):
                self._take(message)

    def _take(self, message: Message) -> None:
        (partition, offset), error = _place(message), message.error()
        if error is not None:
            self._note(error, partition)
            return
        end = self.ends.get(partition, 0)
        if offset < end:
            self.room -= _size(message)
            if self.room < 0:
                raise _NoRoom
            self.found.append(message)
        if offset >= end - 1:
            self.ends.pop(partition, None)

    def _note(self, error: KafkaError, partition: int) -> None:
        if error.code() in _TOO_LARGE:
            raise _NoRoom
        if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - the end, behind markers or compacted holes
            self.ends.pop(partition, None)
        elif error.code() in ABSENT or error.code() == KafkaError.OFFSET_OUT_OF_RANGE:
            self.ends.clear()  # deleted or trimmed while it was read: the next look will tell


def _next(consumer: Consumer) -> list[Message]:
    """What is there, as soon as there is any: `consume` with a time-out waits it out for a full batch."""
    first = consumer.poll(0.2)
    return [] if first is None else [first, *consumer.consume(_BATCH, timeout=0)]


def _place(message: Message) -> tuple[int, int]:
    return message.partition() or 0, message.offset() or 0


def _record(message: Message) -> RecordView:
    _, timestamp_ms = message.timestamp()
    return RecordView(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp=timestamp_ms / 1000,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in _headers(message)),
    )


def _size(message: Message) -> int:
    headers = sum(len(name) + len(value or b"") for name, value in _headers(message))
    return len(message.key() or b"") + len(message.value() or b"") + headers


def _headers(message: Message) -> list[tuple[str, str | bytes | None]]:
    headers = message.headers()
    if not headers:
        return []
    return list(headers.items()) if isinstance(headers, dict) else list(headers)


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
