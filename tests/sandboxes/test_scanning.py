"""What a judge reads of a real log is what confluent-kafka's consumer reads of it, at a known cost."""

import itertools
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

import pytest
from confluent_kafka import IsolationLevel, Producer, TopicPartition
from confluent_kafka.admin import AlterConfigOpType, ConfigEntry, ConfigResource, OffsetSpec, ResourceType

from sandboxes import scanning, stagehand
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.kafka_calls import admin
from sandboxes.scanning import Scanner, Spans
from sandboxes.stagehand import TopicWish
from sandboxes.view import Isolation, RecordView, ScanTooLarge, ViewUnavailable
from sandboxes.wire.requests import Fetched
from tests.gates.seed import dice
from tests.sandboxes import reference
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

LEVELS: tuple[Isolation, Isolation] = ("read_uncommitted", "read_committed")
PARTITIONS = 3
HEADERS: tuple[list[tuple[str, str | bytes | None]], ...] = (
    [],
    [("a", b"1"), ("a", b"2")],
    [("none", None), ("näme", b"\xff\x00"), ("", b"")],
)
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as running:
        yield running


@pytest.fixture(scope="module")
def endpoint(host: LocalHost) -> Iterator[KafkaEndpoint]:
    sandbox = host.start()
    found = host.backend.observe(sandbox).endpoint
    assert found
    yield found
    host.destroy(sandbox)


def made(endpoint: KafkaEndpoint, partitions: int = PARTITIONS, **configs: str) -> str:
    name = f"t-{uuid4().hex[:8]}"
    settings = {key.replace("_", "."): value for key, value in configs.items()}
    stagehand.ensure_topics(endpoint, [TopicWish(name=name, partitions=partitions, configs=settings)])
    return name


def producer(endpoint: KafkaEndpoint, **settings: object) -> Producer:
    asked = {key.replace("_", "."): value for key, value in settings.items()}
    return Producer({**endpoint.client_config(), "linger.ms": 20, "log_level": 2, **asked})


def fill(sender: Producer, topic: str, count: int = 300, partitions: int = PARTITIONS) -> None:
    """Records with and without keys, values and headers; tombstones; time stamps of their own."""
    for n in range(count):
        sender.produce(
            topic,
            key=(None, b"", f"key-{n % 7}".encode())[n % 3],
            value=(None, b"", f"value {n} ".encode() * (n % 40))[min(n % 11, 2)],
            headers=HEADERS[n % 3],
            partition=n % partitions,
            timestamp=1_700_000_000_000 + n,
        )
    assert sender.flush(60) == 0


def spans_of(endpoint: KafkaEndpoint, topic: str, level: Isolation, partitions: int = PARTITIONS) -> Spans:
    places = [TopicPartition(topic, n) for n in range(partitions)]
    seen_as = IsolationLevel.READ_COMMITTED if level == "read_committed" else IsolationLevel.READ_UNCOMMITTED
    begins, ends = (
        admin(endpoint).list_offsets(dict.fromkeys(places, spec), isolation_level=seen_as)
        for spec in (OffsetSpec.earliest(), OffsetSpec.latest())
    )
    return {p.partition: (begins[p].result(30).offset, ends[p].result(30).offset) for p in places}


def stop_cleaning(endpoint: KafkaEndpoint, topic: str) -> None:
    """A log that is cleaned between two reads differs for a reason that is neither reader's.

    A broker that hears of the new policy ends what its cleaner does to it (`LogManager.updateTopicConfig`).
    """
    kept = ConfigEntry("cleanup.policy", "delete", incremental_operation=AlterConfigOpType.SET)
    wish = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[kept])
    admin(endpoint).incremental_alter_configs([wish])[wish].result(60)

    def stands_still() -> bool:
        spans = spans_of(endpoint, topic, "read_uncommitted", 1)
        before = reference.read(endpoint, topic, spans, "read_uncommitted")
        time.sleep(1)
        return before == reference.read(endpoint, topic, spans, "read_uncommitted")

    wait_until(stands_still, 60, lambda: "the cleaner goes on although it was told to stop")


def part(rolls: Random, begin: int, end: int) -> tuple[int, int]:
    first, second = rolls.randint(begin, end), rolls.randint(begin, end)
    return min(first, second), max(first, second)


def same(endpoint: KafkaEndpoint, topic: str, partitions: int = PARTITIONS) -> list[RecordView]:
    """Both read the same, of the whole and of random parts; what is not committed included."""
    rolls, whole = dice("parts of a log"), list[tuple[RecordView, ...]]()
    for level in LEVELS:
        spans = spans_of(endpoint, topic, level, partitions)
        parts = [{p: part(rolls, begin, end) for p, (begin, end) in spans.items()} for _ in range(4)]
        for asked in (spans, *parts):
            ours = Scanner(endpoint).scan(topic, asked, level)
            assert ours == reference.read(endpoint, topic, asked, level), (level, asked)
            whole.append(ours)
    return list(whole[0])


@pytest.mark.parametrize("codec", CODECS)
def test_records_of_every_codec(endpoint: KafkaEndpoint, codec: str) -> None:
    topic = made(endpoint)
    fill(producer(endpoint, compression_type=codec), topic)

    assert len(same(endpoint, topic)) == 300


def test_an_idempotent_producer_and_times_that_the_broker_stamps(endpoint: KafkaEndpoint) -> None:
    topic = made(endpoint, message_timestamp_type="LogAppendTime")
    fill(producer(endpoint, enable_idempotence=True), topic)

    assert all(record.timestamp > 1_750_000_000 for record in same(endpoint, topic))


def test_transactions_that_were_committed_aborted_and_left_open(endpoint: KafkaEndpoint) -> None:
    topic = made(endpoint)
    senders = [producer(endpoint, transactional_id=f"tx-{uuid4().hex}", linger_ms=0) for _ in range(3)]
    for sender in senders:
        sender.init_transactions(60)
    outside = producer(endpoint, compression_type="lz4")
    for round_ in range(4):
        for sender in senders:
            sender.begin_transaction()
        for sender in senders * 2:
            fill(sender, topic, 12)
        fill(outside, topic, 6)
        for number, sender in enumerate(senders):
            if (number + round_) % 2:
                sender.abort_transaction(60)
            else:
                sender.commit_transaction(60)
    senders[0].begin_transaction()
    fill(senders[0], topic, 9)
    fill(outside, topic, 3)

    everything = same(endpoint, topic)
    spans = spans_of(endpoint, topic, "read_committed")
    committed = Scanner(endpoint).scan(topic, spans, "read_committed")
    assert len(everything) == 4 * (3 * 24 + 6) + 12
    assert len(committed) == 4 * 6 + 6 * 24  # half of the twelve transactions, and what was outside
    senders[0].abort_transaction(60)
    same(endpoint, topic)


def test_a_compacted_log_with_gaps_and_a_beginning_that_was_removed(endpoint: KafkaEndpoint) -> None:
    topic = made(
        endpoint, 1, cleanup_policy="compact", segment_ms="100", min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="100", delete_retention_ms="0",
    )  # fmt: skip
    sender = producer(endpoint, compression_type="gzip")
    for n in range(60):
        for key in (n % 3, 100 + n % 20):
            sender.produce(topic, key=str(key), value=None if n % 9 == 0 else str(n), partition=0)
        sender.flush(60)

    def has_gaps() -> bool:
        sender.produce(topic, key="the last", value="x", partition=0)  # rolls the segment
        sender.flush(60)
        spans = spans_of(endpoint, topic, "read_uncommitted", 1)
        return len(Scanner(endpoint).scan(topic, spans, "read_uncommitted")) < spans[0][1] - 60

    wait_until(has_gaps, 120, lambda: "the cleaner did not come by")
    stop_cleaning(endpoint, topic)
    offsets = [record.offset for record in same(endpoint, topic, 1)]
    assert any(after - before > 1 for before, after in itertools.pairwise(offsets))


def test_a_log_whose_beginning_was_removed(endpoint: KafkaEndpoint) -> None:
    topic = made(endpoint)
    fill(producer(endpoint, compression_type="snappy"), topic)
    doomed = TopicPartition(topic, 1, 50)
    admin(endpoint).delete_records([doomed])[doomed].result(60)

    assert len(same(endpoint, topic)) == 250
    spans = dict.fromkeys(range(PARTITIONS), (0, 100))  # as of before they were deleted
    for level in LEVELS:
        there = Scanner(endpoint).scan(topic, spans, level)
        assert there == Scanner(endpoint).scan(topic, {**spans, 1: (50, 100)}, level)
        assert len(there) == 250
        assert Scanner(endpoint).scan(topic, {1: (0, 50)}, level) == ()


def test_a_beginning_that_is_removed_while_it_is_read(
    endpoint: KafkaEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was read of that partition goes, too: it is the log as a look a moment later finds it."""
    topic, doomed = made(endpoint), list[TopicPartition]()
    fill(producer(endpoint, batch_num_messages=10), topic)
    monkeypatch.setattr(scanning, "_FETCH_BYTES", 100)  # a batch at a time
    take = scanning._Reading.take

    async def trimming(reading: scanning._Reading, part: Fetched) -> None:
        await take(reading, part)
        if not doomed and any(record.partition == 1 for record in reading.found):
            doomed.append(TopicPartition(topic, 1, 55))
            admin(endpoint).delete_records(doomed)[doomed[0]].result(60)

    monkeypatch.setattr(scanning._Reading, "take", trimming)
    found = Scanner(endpoint).scan(topic, dict.fromkeys(range(PARTITIONS), (0, 100)), "read_uncommitted")

    assert doomed
    assert [(r.partition, r.offset) for r in found] == [
        (partition, offset) for partition in range(PARTITIONS) for offset in range(100)
        if partition != 1 or offset >= 55
    ]  # fmt: skip


@pytest.mark.parametrize("span", [(0, 150), (120, 150), (100, 101)])
def test_an_end_that_is_not_there_any_more_is_no_whole_log(
    endpoint: KafkaEndpoint, monkeypatch: pytest.MonkeyPatch, span: tuple[int, int]
) -> None:
    """The topic was made anew since its ends were read, or its new leader is not that far yet."""
    topic = made(endpoint)
    fill(producer(endpoint), topic)
    monkeypatch.setattr(scanning, "SCAN_S", 2.5)

    for level in LEVELS:
        with pytest.raises(ViewUnavailable, match=topic):
            Scanner(endpoint).scan(topic, {0: (0, 100), 1: span}, level)
    with pytest.raises(ViewUnavailable, match="fewer partitions"):
        Scanner(endpoint).scan(topic, {0: (0, 100), PARTITIONS: (0, 1)}, "read_uncommitted")


def test_an_open_transaction_before_the_end_is_waited_for(
    endpoint: KafkaEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To those who read what is committed, the log ends where it begins."""
    topic = made(endpoint, 1)
    sender = producer(endpoint, transactional_id=f"tx-{uuid4().hex}")
    sender.init_transactions(60)
    sender.begin_transaction()
    fill(sender, topic, 3, 1)
    monkeypatch.setattr(scanning, "SCAN_S", 2.5)
    with pytest.raises(ViewUnavailable, match="ends at 0, where it had 3"):
        Scanner(endpoint).scan(topic, {0: (0, 3)}, "read_committed")
    assert spans_of(endpoint, topic, "read_committed", 1) == {0: (0, 0)}

    sender.commit_transaction(60)
    monkeypatch.undo()
    assert len(Scanner(endpoint).scan(topic, {0: (0, 3)}, "read_committed")) == 3


def test_a_topic_that_no_broker_knows_is_waited_for(
    endpoint: KafkaEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was there when its ends were read: one of several brokers may not have heard of it yet."""
    name = f"late-{uuid4().hex[:6]}"

    def make_it() -> None:
        time.sleep(0.5)
        stagehand.ensure_topics(endpoint, [TopicWish(name=name)])
        fill(producer(endpoint), name, 3, 1)

    making = threading.Thread(target=make_it)
    making.start()
    try:
        assert len(Scanner(endpoint).scan(name, {0: (0, 3)}, "read_uncommitted")) == 3
    finally:
        making.join()
    monkeypatch.setattr(scanning, "SCAN_S", 2.5)
    with pytest.raises(ViewUnavailable, match="does not know moon"):
        Scanner(endpoint).scan("moon", {0: (0, 100)}, "read_uncommitted")


def test_ends_that_move_while_they_are_read(endpoint: KafkaEndpoint) -> None:
    topic, over = made(endpoint), threading.Event()
    sender = producer(endpoint, linger_ms=1)
    fill(sender, topic, 3)

    def send() -> None:
        for n in itertools.count():
            if over.is_set():
                return
            sender.produce(topic, b"x" * 100, partition=n % PARTITIONS)
            sender.poll(0)
            time.sleep(0.0005)

    sending = threading.Thread(target=send)
    sending.start()
    try:
        for _ in range(5):
            time.sleep(0.2)
            for level in LEVELS:
                spans = spans_of(endpoint, topic, level)
                ours = Scanner(endpoint).scan(topic, spans, level)
                assert ours == reference.read(endpoint, topic, spans, level)
                assert len(ours) == sum(end for _, end in spans.values())
    finally:
        over.set()
        sending.join()
        sender.flush(60)


# Half a megabyte that holds half a gigabyte of zeros; a process of its own, which may grow.
BOMB = """
import json, sys
from confluent_kafka import Producer
config, topic, codec = json.loads(sys.argv[1]), sys.argv[2], sys.argv[3]
sender = Producer({**config, "compression.type": codec, "linger.ms": 60000, "message.max.bytes": 1000000000,
    "batch.size": 900000000, "queue.buffering.max.kbytes": 1000000, "log_level": 2})
for _ in range(int(sys.argv[4])):
    sender.produce(topic, bytes(900_000), partition=0)
assert sender.flush(120) == 0
"""


@pytest.mark.parametrize(("codec", "count"), [("gzip", 550), ("zstd", 550), ("lz4", 180)])
def test_a_batch_that_opens_into_half_a_gigabyte_is_not_opened_whole(
    endpoint: KafkaEndpoint, codec: str, count: int
) -> None:
    topic = made(endpoint, 1)
    sent = [json.dumps(endpoint.client_config()), topic, codec, str(count)]
    subprocess.run([sys.executable, "-c", BOMB, *sent], check=True, timeout=300)
    spans = spans_of(endpoint, topic, "read_uncommitted", 1)
    assert spans == {0: (0, count)}
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _peak_bytes()

    with pytest.raises(ScanTooLarge, match="at most 32 MiB"):
        Scanner(endpoint).scan(topic, spans, "read_uncommitted")

    assert _peak_bytes() - before < 150_000_000


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
