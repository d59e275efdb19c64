"""Record batches: the same bytes through another client's decoder, damaged bytes, and bombs."""

import struct
import time
from typing import Any

import cramjam
import lz4.frame
import pytest
import zstandard

from sandboxes.wire import codecs
from sandboxes.wire.batches import HEADER_BYTES, Batch, WireRecord, last_record, records, scan
from sandboxes.wire.errors import CorruptAnswer
from sandboxes.wire.primitives import Reader, uvarint
from tests.gates.seed import dice
from tests.sandboxes.wire import oracle

HEADERS = [("trace", b"a1"), ("none", None), ("näme", b"\xff\x00")]
VALUES = [b'{"n":1}', None, b"", b"\x00\x01\xff", "päper 🦀".encode(), b"x" * 5000]


def made(count: int = 50, compression: int = 0) -> bytes:
    """Batches as kafka-python's encoder writes them."""
    builder = oracle.builder(compression)
    for i in range(count):
        key = None if i % 7 == 0 else f"key-{i % 5}".encode()
        builder.append(
            timestamp=1_795_416_000_000 + i, key=key, value=VALUES[i % len(VALUES)], headers=HEADERS
        )
    builder.close()
    return bytes(builder.buffer())


def as_ours(data: bytes) -> list[tuple[Any, ...]]:
    found = [r for batch in scan(data) for r in records(batch)]
    return [(r.offset, r.ts, r.key, r.value, list(r.headers)) for r in found]


@pytest.mark.parametrize("compression", [0, 1])
def test_another_client_reads_the_same_records_from_the_same_bytes(compression: int) -> None:
    data = made(compression=compression)
    assert as_ours(data) == oracle.rows(data)
    assert len(as_ours(data)) == 50


def batch_of(body: bytes, *, count: int = 1, codec: int = 0, base: int = 10) -> Batch:
    return Batch(base, base + count - 1, count, HEADER_BYTES + len(body), codec, 1000, 2000, -1, body)


def body_of(*values: bytes) -> bytes:
    """Records as in a batch: attributes, time and offset delta, no key, the value, no headers."""
    out = b""
    for i, value in enumerate(values):
        record = b"\x00\x00" + uvarint(i * 2) + b"\x01" + uvarint(len(value) * 2) + value + b"\x00"
        out += uvarint(len(record) * 2) + record
    return out


def xerial(data: bytes, block: int = 32_768) -> bytes:
    """Snappy as Java clients write it."""
    out = b"\x82SNAPPY\x00" + struct.pack(">ii", 1, 1)
    for i in range(0, len(data), block):
        packed = bytes(cramjam.snappy.compress_raw(data[i : i + block]))
        out += struct.pack(">i", len(packed)) + packed
    return out


def gzipped(data: bytes) -> bytes:
    return bytes(cramjam.gzip.compress(data))


PACKERS = {
    "gzip": (1, gzipped),
    "snappy of librdkafka": (2, lambda data: bytes(cramjam.snappy.compress_raw(data))),
    "snappy of Java": (2, xerial),
    "lz4": (3, lz4.frame.compress),
    "zstd": (4, lambda data: zstandard.ZstdCompressor().compress(data)),
    "zstd without its size": (
        4,
        lambda data: zstandard.ZstdCompressor(write_content_size=False).compress(data),
    ),
}


@pytest.mark.parametrize("how", PACKERS)
def test_every_codec_is_read(how: str) -> None:
    codec, pack = PACKERS[how]
    values = [b"one", b"two" * 1000, b"three"]
    batch = batch_of(pack(body_of(*values)), count=3, codec=codec)

    assert [r.value for r in records(batch)] == values
    assert last_record(batch) == WireRecord(12, 1000, None, b"three", ())


@pytest.mark.parametrize("how", PACKERS)
def test_a_bomb_gives_no_more_than_the_cap_and_soon(how: str) -> None:
    codec, pack = PACKERS[how]
    bomb = pack(bytes(64 * 1024 * 1024))
    started = time.process_time()

    found = codecs.inflate(codec, bomb)

    assert len(found) <= codecs.CAP
    assert time.process_time() - started < 0.5


@pytest.mark.parametrize("how", PACKERS)
def test_a_record_that_the_cap_cuts_is_read_to_there_and_what_follows_is_left_out(how: str) -> None:
    codec, pack = PACKERS[how]
    batch = batch_of(pack(body_of(b"first", bytes(2 * codecs.CAP), b"last")), count=3, codec=codec)
    found = records(batch)
    if not found:
        assert how.startswith("snappy"), "a block of it is opened whole or not at all"
        return
    assert [(r.offset, r.cut_from) for r in found] == [(10, 0), (11, 2 * codecs.CAP)]
    assert found[0].value == b"first"
    assert found[1].value
    assert not found[1].value.strip(b"\0")


@pytest.mark.parametrize("codec", [1, 2, 3, 4, 5, 7])
def test_bytes_of_no_codec_are_an_error_of_ours_and_no_other(codec: int) -> None:
    chance = dice(f"codec {codec}")
    for _ in range(200):
        batch = batch_of(chance.randbytes(chance.randint(0, 200)), codec=codec)
        try:
            records(batch)
        except CorruptAnswer:
            continue


def test_records_are_read_from_an_offset_and_up_to_a_number() -> None:
    batch = batch_of(body_of(*(b"%d" % i for i in range(10))), count=10)
    assert [r.offset for r in records(batch, start=13, most=3)] == [13, 14, 15]


def test_a_batch_cut_at_the_end_is_left_for_the_next_answer() -> None:
    data = made()
    assert as_ours(data + data[: len(data) // 2]) == as_ours(data)
    assert list(scan(data[:100])) == []


def test_a_batch_that_claims_to_be_shorter_than_its_head_is_refused() -> None:
    for length in (-12, 0, 48):
        with pytest.raises(CorruptAnswer):
            list(scan(struct.pack(">qi", 0, length) + made()[12:]))


def test_append_time_stands_for_every_record_of_its_batch() -> None:
    batch = batch_of(body_of(b"a"), codec=0x08)
    assert records(batch)[0].ts == 2000


def test_three_thousand_damaged_answers_end_in_records_or_an_error_and_soon() -> None:
    chance = dice("batches")
    whole = [made(20), made(20, 1)]
    worst = 0.0
    for _ in range(3000):
        data = bytearray(chance.choice(whole))
        for _ in range(chance.randint(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        del data[chance.randint(1, len(data)) :]
        started = time.process_time()
        try:
            for batch in scan(bytes(data)):
                records(batch)
        except CorruptAnswer:
            pass
        worst = max(worst, time.process_time() - started)
    assert worst < 0.1


def test_numbers_and_strings_that_run_past_the_end_are_refused() -> None:
    for read in (Reader.i8, Reader.i16, Reader.i32, Reader.i64, Reader.uuid, Reader.uvarint, Reader.string):
        with pytest.raises(CorruptAnswer):
            read(Reader(b""))
    with pytest.raises(CorruptAnswer):
        Reader(b"\xff" * 12).uvarint()
    with pytest.raises(CorruptAnswer):
        Reader(uvarint(1_000_000)).array(Reader.i32)
