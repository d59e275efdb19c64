"""Every record of a batch or an error, and what transactions leave to see of them."""

from pathlib import Path

import pytest
import zstandard

from sandboxes.wire.batches import Batch, WireRecord, records, scan, visible
from sandboxes.wire.errors import CorruptAnswer, TooLarge
from sandboxes.wire.whole import all_records
from tests.gates.seed import dice
from tests.sandboxes.wire.raw import zstd
from tests.sandboxes.wire.test_batches import PACKERS, batch_of, body_of, made

ROOM = 1_000_000
MIB = 1024 * 1024
_TRANSACTIONAL, _CONTROL = 0x10, 0x20


def whole(batch: Batch, *, start: int = 0, stop: int = 1000, most_bytes: int = ROOM) -> list[WireRecord]:
    return list(all_records(batch, start=start, stop=stop, most_bytes=most_bytes))


@pytest.mark.parametrize("compression", [0, 1])
def test_all_records_are_those_of_a_preview_that_is_not_cut(compression: int) -> None:
    for batch in scan(made(300, compression)):
        preview = records(batch)
        assert whole(batch) == preview
        assert whole(batch, start=7, stop=31) == [record for record in preview if 7 <= record.offset < 31]


@pytest.mark.parametrize("how", PACKERS)
def test_a_batch_that_opens_into_too_much_is_no_records_at_all(how: str) -> None:
    codec, pack = PACKERS[how]
    body = body_of(b"first", bytes(ROOM), b"last")
    batch = batch_of(pack(body), count=3, codec=codec)

    assert len(whole(batch, most_bytes=len(body))) == 3
    with pytest.raises(TooLarge):
        whole(batch, most_bytes=len(body) - 1)


@pytest.mark.parametrize("level", [1, 19, 20, 21, 22])
def test_every_level_of_zstd_is_read(level: int) -> None:
    batch = batch_of(zstd(body_of(b"one", b"two"), level), count=2, codec=4)

    assert [r.value for r in whole(batch)] == [b"one", b"two"]


def test_a_window_that_is_named_takes_no_more_memory_than_is_filled() -> None:
    bomb = batch_of(zstd(bytes(64 * MIB), 22), codec=4)
    assert zstandard.get_frame_parameters(bomb.body).window_size == 128 * MIB
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _peak_bytes()

    with pytest.raises(TooLarge):
        whole(bomb, most_bytes=8 * MIB)

    assert _peak_bytes() - before < 32 * MIB


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


@pytest.mark.parametrize("how", [how for how in PACKERS if not how.startswith("snappy")])
def test_bytes_that_are_damaged_are_not_too_large(how: str) -> None:
    """Snappy says its size in advance: what is damaged there may be."""
    chance, (codec, pack) = dice(f"damaged {how}"), PACKERS[how]
    packed = pack(body_of(b"one", b"two" * 100))
    for _ in range(100):
        damaged = bytearray(packed)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        batch = batch_of(bytes(damaged), count=2, codec=codec)
        try:
            whole(batch)
        except TooLarge:
            pytest.fail(f"too large: {damaged.hex()}")
        except CorruptAnswer:
            continue


def test_a_record_that_is_missing_is_an_error() -> None:
    body = body_of(b"one", b"two", b"three")
    for cut in range(len(body)):
        with pytest.raises(CorruptAnswer):
            whole(batch_of(body[:cut], count=3))
    with pytest.raises(CorruptAnswer):
        whole(batch_of(body, count=4))


def test_damaged_bytes_are_an_error_of_ours_and_no_other() -> None:
    chance = dice("damaged records")
    (batch,) = scan(made())
    for _ in range(2000):
        body = bytearray(batch.body)
        for _ in range(chance.randint(1, 4)):
            body[chance.randrange(len(body))] = chance.randrange(256)
        damaged = batch_of(bytes(body), count=50)
        try:
            whole(damaged)
        except CorruptAnswer:
            continue


def test_no_more_than_64_headers_of_a_record_are_kept() -> None:
    record = b"\x00\x00\x00\x01\x01" + b"\x90\x4e" + b"\x00\x01" * 5000  # two bytes make one
    body = bytes(
        [(len(record) * 2 & 0x7F) | 0x80, (len(record) * 2 >> 7 & 0x7F) | 0x80, len(record) * 2 >> 14]
    )
    (found,) = whole(batch_of(body + record))

    assert found.headers == (("", None),) * 64
    assert found.size == len(record)


def sent(base: int, producer: int, attributes: int = _TRANSACTIONAL, *, commit: bool | None = None) -> Batch:
    """One batch of two records, or the marker at the end of a transaction."""
    body = body_of(b"x", b"y")
    if commit is not None:
        key = b"\x00\x00" + (b"\x00\x01" if commit else b"\x00\x00")
        body = b"\x18\x00\x00\x00\x08" + key + b"\x01\x00\x00\x00"
    count = 2 if commit is None else 1
    return Batch(base, base + count - 1, count, 0, attributes, 0, 0, producer, body)


def test_what_was_aborted_is_not_seen_and_what_its_producer_sent_before_and_after_is() -> None:
    log = [
        sent(0, 1),
        sent(2, 1, _TRANSACTIONAL | _CONTROL, commit=True),
        sent(3, 1),  # aborted
        sent(5, 2),
        sent(7, -1, 0),
        sent(9, 1),  # aborted
        sent(11, 1, _TRANSACTIONAL | _CONTROL, commit=False),
        sent(12, 1),
        sent(14, 2, _TRANSACTIONAL | _CONTROL, commit=True),
        sent(15, 2),  # aborted
        sent(17, 2, _TRANSACTIONAL | _CONTROL, commit=False),
    ]

    assert [batch.base_offset for batch in visible(log, [(2, 15), (1, 3)])] == [0, 5, 7, 12]
    assert [batch.base_offset for batch in visible(log, [])] == [0, 3, 5, 7, 9, 12, 15]
    assert [batch.base_offset for batch in visible(log[4:], [(1, 3)])] == [
        7,
        12,
        15,
    ]  # begun before this answer
