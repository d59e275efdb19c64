"""Records on their way into frames: all shown while there is room, all counted always, no frame too large."""

import zlib

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from live import frames, lanes
from live.frames import RECORDS_KEPT, Part
from live.lanes import BURST, FRAME_BYTES, KEPT_BYTES, Run, TopicLane, pack
from live.previews import HEX_BYTES, preview, shown
from sandboxes.wire import batches, codecs
from sandboxes.wire.batches import Batch, WireRecord, records
from sandboxes.wire.primitives import uvarint
from tests.sandboxes.wire.test_batches import batch_of, body_of


def batch(base: int, count: int, value: bytes = b"v") -> Batch:
    return batch_of(body_of(*([value] * count)), count=count, base=base)


def marker(base: int) -> Batch:
    return Batch(base, base, 1, 78, 0x30, 0, 0, 7, b"")


def account(runs: list[Run]) -> list[Part]:
    return [part for parts, _ in pack(runs) for part in parts]


def test_a_hundred_records_a_second_are_all_shown() -> None:
    lane = TopicLane()
    start, shown_count = 0, 0
    for tick in range(200):  # 10 s at 100 records a second, in ticks of 50 ms
        start = lane.add(0, [batch(start, 5)], start, now=tick * 0.05)
        shown_count += sum(len(run.shown) for run in lane.take())
    assert shown_count == 1000


def test_above_that_some_are_shown_and_all_are_counted() -> None:
    lane = TopicLane()
    start, runs = 0, []
    for tick in range(200):
        start = lane.add(0, [batch(start, 250)], start, now=tick * 0.05)
        runs += lane.take()
    parts = account(runs)
    assert sum(part.seen for part in parts) == 50_000
    assert 1000 <= sum(part.shown for part in parts) <= BURST + 1000 + 200
    assert all(run.shown for run in runs[BURST:]), "a fast lane still moves in every tick"


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40), st.booleans()), max_size=40), st.integers(1, 50)
)
def test_the_account_of_each_partition_has_no_hole_and_no_overlap(
    steps: list[tuple[int, int, bool]], per_tick: int
) -> None:
    lane, now, ends, seen = TopicLane(), 0.0, {0: 0, 1: 0, 2: 0}, {0: 0, 1: 0, 2: 0}
    found: list[Part] = []
    for number, (partition, count, is_marker) in enumerate(steps):
        end = ends[partition]
        one = marker(end) if is_marker else batch(end, count)
        ends[partition] = lane.add(partition, [one], end, now=now)
        seen[partition] += 0 if is_marker else count
        if number % per_tick == 0:
            found += account(lane.take())
        now += 0.01
    found += account(lane.take())

    for partition, end in ends.items():
        parts = [part for part in found if part.p == partition]
        assert [part.first for part in parts] == [0, *(part.last + 1 for part in parts[:-1])][: len(parts)]
        assert (parts[-1].last + 1 if parts else 0) == end
        assert sum(part.seen for part in parts) == seen[partition]
        assert sum(part.seen + part.markers for part in parts) == end
        assert all(0 <= part.shown <= part.seen for part in parts)


def test_a_batch_that_is_entered_midway_counts_from_there() -> None:
    lane = TopicLane()
    after = lane.add(0, [batch(0, 40)], 17, now=0.0)
    (part,) = account(lane.take())
    assert (after, part.first, part.last, part.seen, part.shown) == (40, 17, 39, 23, 23)


def test_records_from_before_anybody_looked_are_the_newest_and_cost_no_room() -> None:
    lane = TopicLane()
    lane.add(0, [batch(0, 500)], 440, now=0.0, is_history=True)
    assert [run.part.shown for run in lane.take()] == [16, 16, 16, 12]
    lane.add(0, [batch(500, BURST)], 500, now=0.0)
    assert sum(run.part.shown for run in lane.take()) == BURST


def test_a_batch_that_cannot_be_read_is_counted_by_its_head() -> None:
    lane = TopicLane()
    broken = batch_of(b"\xff\xff\xff", count=9, codec=4)
    assert lane.add(0, [broken], 10, now=0.0) == 19
    (part,) = account(lane.take())
    assert (part.first, part.last, part.seen, part.shown) == (10, 18, 9, 0)


def test_a_marker_takes_an_offset_and_is_no_record() -> None:
    lane = TopicLane()
    lane.add(0, [batch(0, 2), marker(2)], 0, now=0.0)
    (part,) = account(lane.take())
    assert (part.first, part.last, part.seen, part.shown, part.markers) == (0, 2, 2, 2, 1)


def test_what_is_jumped_over_is_in_the_account() -> None:
    lane = TopicLane()
    lane.add(0, [batch(0, 5)], 0, now=0.0)
    lane.jump(0, 5, 1005)
    lane.add(0, [batch(1005, 5)], 1005, now=0.0)
    (part,) = account(lane.take())
    assert (part.first, part.last, part.seen, part.shown) == (0, 1009, 1010, 10)


def test_frames_of_large_records_stay_small() -> None:
    lane = TopicLane()
    lane.add(0, [batch(0, 200, b"x" * 20_000)], 0, now=0.0)
    packed = list(pack(lane.take()))
    sizes = [len(orjson.dumps(previews)) for _, previews in packed]
    assert max(sizes) <= FRAME_BYTES + 16 * 2400
    assert sum(parts[0].seen for parts, _ in packed) == 200


@pytest.mark.parametrize(
    "value", [b"\x1b" * 20_000, b'"' * 20_000, "\u200b".encode() * 9_000, b"\xff" * 9_000]
)
def test_no_frame_is_larger_than_64_kb_whatever_its_records_are_written_as(value: bytes) -> None:
    lane = TopicLane()
    lane.add(0, [batch(0, 200, value)], 0, now=0.0)
    for parts, previews in pack(lane.take()):
        whole = frames.Records(e="1", s=1, t=1, topic="t" * 249, parts=parts, records=previews)
        assert len(frames.encode(whole)) <= 64 * 1024


def test_a_topic_of_bombs_is_counted_and_only_so_much_of_it_is_decompressed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inflated: list[int] = []

    def watched(codec: int, data: bytes) -> bytes:
        plain = codecs.inflate(codec, data)
        inflated.append(len(plain))
        return plain

    monkeypatch.setattr(batches, "inflate", watched)
    bomb = zlib.compress(body_of(b"\x00" * (codecs.CAP - 100)), wbits=31)
    lane = TopicLane()
    bombs = [batch_of(bomb, base=offset, codec=1) for offset in range(500)]
    for tick in range(20):  # five seconds
        some = bombs[tick * 25 : tick * 25 + 25]
        lane.add(0, some, some[0].base_offset, now=tick / 4)
        assert sum(part.seen for part in account(lane.take())) == 25

    assert sum(inflated) <= lanes.OPENED_BURST + 5 * lanes.OPENED_BYTES_PER_SECOND + codecs.CAP
    assert inflated, "some are shown"


def test_a_batch_entered_midway_that_cannot_be_read_is_counted_from_there() -> None:
    lane = TopicLane()
    lane.add(0, [batch_of(b"\xff\xff\xff", count=9, codec=4)], 13, now=0.0)
    (part,) = account(lane.take())
    assert (part.first, part.last, part.seen, part.shown) == (13, 18, 6, 0)


def test_what_is_kept_of_very_many_partitions_is_bounded() -> None:
    lane = TopicLane()
    for partition in range(1000):
        lane.add(partition, [batch(0, 60, b"\x1b" * 3000)], 0, now=0.0, is_history=True)
    assert 0 < sum(map(len, lane.newest())) <= KEPT_BYTES


def test_of_five_million_headers_a_few_are_read() -> None:
    count = 1_000_000
    record = b"\x00\x00\x00\x01\x01" + uvarint(count * 2) + b"\x00\x01" * count
    (found,) = records(batch_of(uvarint(len(record) * 2) + record))
    assert len(found.headers) == 64
    assert orjson.loads(preview(0, found))["cut"] is True


def test_the_newest_of_each_partition_are_kept() -> None:
    lane = TopicLane()
    lane.add(0, [batch(0, 100)], 0, now=0.0)
    lane.add(1, [batch(0, 3)], 0, now=0.0)
    kept = [orjson.loads(one) for one in lane.newest()]
    assert [one["o"] for one in kept if one["p"] == 0] == list(range(100 - RECORDS_KEPT, 100))
    assert [one["o"] for one in kept if one["p"] == 1] == [0, 1, 2]


# -- Previews ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (None, (None, False, False)),
        (b"", ("", False, False)),
        (b"plain", ("plain", False, False)),
        ("päper 🦀".encode(), ("päper 🦀", False, False)),
        (b"<img src=x onerror=alert(1)>", ("<img src=x onerror=alert(1)>", False, False)),
        (b"\x1b[31mred", ("\x1b[31mred", False, False)),
        (b"\x00\x00\x00\x07", ("00000007", True, False)),
        (b"\xff\xfe", ("fffe", True, False)),
        (b"a\x00b", ("610062", True, False)),
        (b"x" * 10, ("x" * 8, False, True)),
        ("1234567ä".encode(), ("1234567", False, True)),
    ],
)
def test_bytes_are_shown_as_text_where_they_are_text_and_as_hex_where_not(
    data: bytes | None, expected: object
) -> None:
    assert shown(data, 8 if data and len(data) > 8 and data[:1] in b"x1" else 2048) == expected


@given(
    st.binary(max_size=5000),
    st.binary(max_size=600),
    st.lists(st.tuples(st.text(max_size=400), st.none() | st.binary(max_size=400)), max_size=40),
)
def test_no_record_makes_a_large_preview_or_bad_json(
    value: bytes, key: bytes, headers: list[tuple[str, bytes | None]]
) -> None:
    record = WireRecord(5, 2**62, key, value, tuple(headers))
    data = preview(0, record)
    found = orjson.loads(data)
    assert found["size"] == len(value)
    assert len(found["v"] or "") <= max(2048, 2 * HEX_BYTES)
    assert len(found["h"]) <= 20
    assert len(data) < 32_000


def test_a_tombstone_is_null_and_not_empty() -> None:
    assert orjson.loads(preview(0, WireRecord(0, 0, b"k", None, ())))["v"] is None
