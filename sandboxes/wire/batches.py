"""Record batches (magic 2): counted by their headers, opened only where a record is shown.

Reading a header costs a thousandth of opening a batch, so that a flood is counted exactly and shown in part.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from sandboxes.wire.codecs import CAP, inflate
from sandboxes.wire.errors import CorruptAnswer
from sandboxes.wire.primitives import Reader

# base offset, length | leader epoch, magic, crc, attributes, last offset delta, base and max timestamp,
# producer id and epoch, base sequence, record count (DefaultRecordBatch in Kafka's sources)
_HEADER = struct.Struct(">qiibIhiqqqhii")
HEADER_BYTES = _HEADER.size
_LENGTH_FROM = 12
_LEAST_LENGTH = HEADER_BYTES - _LENGTH_FROM
_MAGIC = 2
_MARKER_KEY_BYTES = 4
_CODEC_BITS = 0x07
_MOST_RECORDS = 5_000_000
# Two bytes make a header: ten megabytes of them would be five million objects.
MOST_HEADERS = 64


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch: what its header says, and the bytes of its records still packed.

    count: records in it, control markers included; size: bytes on the wire; timestamps in ms.
    """

    base_offset: int
    last_offset: int
    count: int
    size: int
    attributes: int
    base_ts: int
    max_ts: int
    producer_id: int
    body: bytes

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & 0x20)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & 0x10)

    @property
    def codec(self) -> int:
        return self.attributes & _CODEC_BITS

    @property
    def has_append_time(self) -> bool:
        return bool(self.attributes & 0x08)


@dataclass(frozen=True, slots=True)
class WireRecord:
    """One record as stored, with its first 64 headers. ts: ms since the epoch, as the client or the broker
    stamped it.

    cut_from: bytes that the value has, where only its beginning could be decompressed; else 0.
    size: bytes that all of it takes in its batch, where that was asked for; else 0.
    """

    offset: int
    ts: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    cut_from: int = 0
    size: int = field(default=0, compare=False)


def scan(data: bytes) -> Iterator[Batch]:
    """The whole batches in a fetch answer; a cut one at the end is dropped, it will be asked for again.

    Raises CorruptAnswer where the bytes make no sense; what came before has been yielded.
    """
    pos = 0
    while len(data) - pos >= HEADER_BYTES:
        (base, length, _, magic, _, attributes, last_delta, base_ts, max_ts, producer, _, _, count) = (
            _HEADER.unpack_from(data, pos)
        )
        if magic != _MAGIC or length < _LEAST_LENGTH or last_delta < 0 or not 0 <= count <= _MOST_RECORDS:
            raise CorruptAnswer(f"no record batch at byte {pos}")
        end = pos + _LENGTH_FROM + length
        if end > len(data):
            return
        body = data[pos + HEADER_BYTES : end]
        yield Batch(
            base, base + last_delta, count, _LENGTH_FROM + length, attributes, base_ts, max_ts, producer, body
        )
        pos = end


def inflated(batch: Batch) -> Batch:
    """The same batch with its records not compressed, up to the cap. Raises CorruptAnswer."""
    if not batch.codec:
        return batch
    return replace(batch, attributes=batch.attributes & ~_CODEC_BITS, body=inflate(batch.codec, batch.body))


def records(batch: Batch, *, start: int = 0, most: int | None = None) -> list[WireRecord]:
    """The records at `start` or later, the first `most` of them. Raises CorruptAnswer.

    Fewer come back when the batch holds more than the cap of decompression.
    """
    found: list[WireRecord] = []
    for place in _walk(batch):
        if most is not None and len(found) >= most:
            break
        if place[0] >= start:
            found.append(_record(*place))
    return found


def visible(found: Iterable[Batch], aborted: Sequence[tuple[int, int]]) -> Iterator[Batch]:
    """The batches with records for readers: no markers, nothing of transactions that were aborted.

    aborted: producer and first offset of each, as the broker lists them for this answer; none for those who
    read what is not committed.
    """
    coming, within = sorted(aborted, key=lambda one: one[1]), set[int]()
    for batch in found:
        while coming and coming[0][1] <= batch.last_offset:
            within.add(coming.pop(0)[0])
        if not batch.is_control:
            if not (batch.is_transactional and batch.producer_id in within):
                yield batch
        elif batch.producer_id in within and not commits(batch):
            within.discard(batch.producer_id)


def last_record(batch: Batch) -> WireRecord | None:
    """The newest record only: the others are stepped over, not decoded."""
    last: tuple[int, int, Reader] | None = None
    for place in _walk(batch):
        last = place
    return _record(*last) if last else None


def commits(batch: Batch) -> bool:
    """Of a control batch: True for a commit marker, False for an abort. Raises CorruptAnswer."""
    marker = last_record(batch)
    if marker is None or marker.key is None or len(marker.key) < _MARKER_KEY_BYTES:
        raise CorruptAnswer("a control batch without a marker")
    return int.from_bytes(marker.key[2:4], "big") == 1


def _walk(batch: Batch) -> Iterator[tuple[int, int, Reader]]:
    """Offset, time stamp and a reader placed at the key, for each record; the one that the cap cut is the
    last.
    """
    outer = Reader(inflated(batch).body)
    for _ in range(batch.count):
        try:
            size = outer.varint()
        except CorruptAnswer:
            return
        if size <= 0 or (size > outer.left() and len(outer.data) != CAP):
            return
        inner = Reader(outer.data, outer.pos + 1)  # past the attributes, which are not used
        outer.pos += size
        ts_delta, offset_delta = inner.varint(), inner.varint()
        ts = batch.max_ts if batch.has_append_time else batch.base_ts + ts_delta
        yield batch.base_offset + offset_delta, ts, inner


def _record(offset: int, ts: int, reader: Reader) -> WireRecord:
    key, size = _field(reader), reader.varint()
    if size > reader.left() and len(reader.data) == CAP:
        return WireRecord(offset, ts, key, reader.raw(reader.left()), (), cut_from=size)
    value = None if size < 0 else reader.raw(size)
    count = reader.varint()
    if not 0 <= count <= reader.left():
        raise CorruptAnswer(f"{count} headers in {reader.left()} bytes")
    headers = tuple(_header(reader) for _ in range(min(count, MOST_HEADERS)))
    return WireRecord(offset, ts, key, value, headers)


def _field(reader: Reader) -> bytes | None:
    size = reader.varint()
    return None if size < 0 else reader.raw(size)


def _header(reader: Reader) -> tuple[str, bytes | None]:
    name = _field(reader) or b""
    return name.decode("utf-8", "replace"), _field(reader)
