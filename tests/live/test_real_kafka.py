"""From a real broker in its sandbox to a viewer: records, commits, groups, topics; brokers that hang or die.

Nothing is doubled: the host's daemon, its relay and its broker, Valkey, the sampler, the hub.
"""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import NewPartitions

from live import feed as feed_module
from live.feed import Feed
from sandboxes.backends.base import Fault, KafkaEndpoint
from sandboxes.wire import batches, requests
from sandboxes.wire.cluster import Cluster, addresses
from sandboxes.wire.errors import WireError
from sandboxes.wire.sasl import Credentials
from tests.live.browser import Browser
from tests.live.real import Kafka, Watching, ends, in_thread, kafka_in, watching_from
from tests.live.valkey import Valkey
from tests.sandboxes.backends.local_host import LocalHost, running_host
from tests.sandboxes.wire import oracle

pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host


@pytest.fixture(scope="module")
def kafka(host: LocalHost) -> Kafka:
    return kafka_in(host)


@pytest.fixture
async def watching(shared_valkey: Valkey, feed: Feed, kafka: Kafka) -> AsyncIterator[Watching]:
    async with watching_from(shared_valkey, kafka) as watching:
        yield watching


def send(kafka: Kafka, topic: str, count: int = 1, **config: Any) -> dict[tuple[int, int], float]:
    """Produce records, each acknowledged; place of each -> when it was acknowledged."""
    acks: dict[tuple[int, int], float] = {}

    def acked(error: object, message: Any) -> None:
        assert error is None, error
        acks[message.partition(), message.offset()] = time.perf_counter()

    producer = kafka.producer(**config)
    for i in range(count):
        producer.produce(
            topic, key=f"k{i % 5}", value=f"value {i}", headers=[("n", b"%d" % i)], on_delivery=acked
        )
        producer.poll(0)
    assert producer.flush(20) == 0
    return acks


def send_to_each(kafka: Kafka, topic: str, partitions: int) -> None:
    """A record into every partition: once it is seen, all of them are followed."""
    producer = kafka.producer()
    for partition in range(partitions):
        producer.produce(topic, b"first", partition=partition)
    assert producer.flush(20) == 0


# -- Records -------------------------------------------------------------------------------------------------


async def test_a_record_is_seen_with_its_key_its_headers_and_the_new_log_end(
    kafka: Kafka, watching: Watching
) -> None:
    topic = await in_thread(kafka.topic, 1)
    await watching.open(topic).until(lambda b: topic in b.state["topics"])

    await in_thread(send, kafka, topic)

    browser = await watching.until(lambda b: b.offsets[topic][0] == [0])
    assert ends(browser, topic) == [1]


async def test_records_from_before_are_there_at_once(kafka: Kafka, watching: Watching) -> None:
    topic = await in_thread(kafka.topic, 1)
    await in_thread(send, kafka, topic, 100)

    browser = await watching.open(topic).until(lambda b: b.offsets[topic][0])

    assert browser.offsets[topic][0] == list(range(40, 100))


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
async def test_a_burst_in_any_codec_is_counted_to_the_record(
    kafka: Kafka, watching: Watching, codec: str
) -> None:
    topic = await in_thread(kafka.topic, 3)
    await in_thread(send_to_each, kafka, topic, 3)
    browser = await watching.open(topic).until(lambda b: all(b.offsets[topic][p] == [0] for p in range(3)))
    before = browser.seen[topic]

    acks = await in_thread(send, kafka, topic, 5000, **{"compression.type": codec, "linger.ms": 5})

    await watching.until(lambda b: b.seen[topic] - before >= 5000, within_s=60)
    assert browser.seen[topic] - before == len(acks) == 5000
    assert sum(ends(browser, topic)) == 5003
    assert 300 <= browser.shown[topic] < 5000
    assert not browser.holes


async def test_the_same_bytes_mean_the_same_to_another_client(kafka: Kafka) -> None:
    topic = await in_thread(kafka.topic, 1)
    for codec in ("none", "gzip"):
        await in_thread(send, kafka, topic, 50, **{"compression.type": codec, "linger.ms": 20})
    cluster = cluster_of(kafka.endpoint)
    try:
        data = await fetch_all(cluster, topic)
    finally:
        cluster.close()

    ours = [r for batch in batches.scan(data) for r in batches.records(batch)]

    assert [(r.offset, r.ts, r.key, r.value, list(r.headers)) for r in ours] == oracle.rows(data)
    assert len(ours) == 100


def cluster_of(endpoint: KafkaEndpoint, password: str = "") -> Cluster:
    secret = password or endpoint.password
    credentials = Credentials(mechanism="PLAIN", username=endpoint.username, password=secret)
    return Cluster(addresses(endpoint.bootstrap_servers), credentials, endpoint.cluster_id)


async def fetch_all(cluster: Cluster, topic: str) -> bytes:
    await cluster.refresh()
    meta = cluster.topic(topic)
    assert meta
    position = requests.Position(0, 0, meta.partitions[0].epoch)
    question = requests.fetch(
        meta.topic_id, [position], wait_ms=100, partition_bytes=1 << 20, total_bytes=1 << 20
    )
    (part,) = await cluster.ask(meta.partitions[0].leader, question)
    return part.data


async def test_a_wrong_password_or_another_cluster_is_an_error_and_no_picture(kafka: Kafka) -> None:
    wrong = cluster_of(kafka.endpoint, password="wrong")
    other = Cluster(addresses(kafka.endpoint.bootstrap_servers), wrong._credentials, "another")
    for cluster in (wrong, other):
        with pytest.raises(WireError):
            await cluster.refresh()
        cluster.close()


# -- Groups --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
async def test_a_group_is_seen_from_its_first_member_to_its_last_commit(
    kafka: Kafka, watching: Watching, protocol: str
) -> None:
    topic, group = await in_thread(kafka.topic, 2), f"audit-{protocol}"
    await in_thread(send, kafka, topic, 10)
    await watching.open(topic).until(lambda b: sum(ends(b, topic)) == 10)

    with running_consumer(kafka, group, topic, protocol) as consumer:
        browser = await watching.until(lambda b: assigned(b, group, topic) == [0, 1])
        assert browser.state["groups"][group]["type"] == protocol
        await watching.until(lambda b: b.state["groups"][group]["state"] == "Stable")
        offsets = [TopicPartition(topic, 0, 3), TopicPartition(topic, 1, 1)]
        consumer.put(offsets)
        await watching.until(lambda b: b.state["groups"][group]["committed"].get(topic) == {"0": 3, "1": 1})

    await watching.until(lambda b: b.state["groups"][group]["members"] == [])
    assert [e["client"] for e in watching.told("member_joined")] == ["ada"]
    assert [e["client"] for e in watching.told("member_left")] == ["ada"]
    assert watching.told("assignment")[0]["gained"] == {topic: [0, 1]}
    assert watching.told("undecoded") == []


@contextlib.contextmanager
def running_consumer(
    kafka: Kafka, group: str, topic: str, protocol: str
) -> Iterator[queue.SimpleQueue[list[TopicPartition]]]:
    """A member that reads in a thread of its own, and commits there whatever is put into the queue."""
    wishes: queue.SimpleQueue[list[TopicPartition]] = queue.SimpleQueue()
    over = threading.Event()

    def work() -> None:
        consumer = kafka.consumer(group, **{"group.protocol": protocol, "client.id": "ada"})
        consumer.subscribe([topic])
        while not over.is_set():
            consumer.poll(0.05)
            with contextlib.suppress(queue.Empty):
                consumer.commit(offsets=wishes.get_nowait(), asynchronous=False)
        consumer.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield wishes
    finally:
        over.set()
        thread.join()


def assigned(browser: Browser, group: str, topic: str) -> list[int]:
    members = browser.state["groups"].get(group, {"members": []})["members"]
    return sorted(p for member in members for p in member["assigned"].get(topic, []))


async def test_what_was_committed_before_anybody_looked_is_there(kafka: Kafka, watching: Watching) -> None:
    topic = await in_thread(kafka.topic, 2)
    await in_thread(send, kafka, topic, 10)
    consumer = kafka.consumer("early")
    await in_thread(consumer.commit, offsets=[TopicPartition(topic, 1, 2)], asynchronous=False)

    browser = await watching.open(topic).until(lambda b: "early" in b.state["groups"])

    assert browser.state["groups"]["early"]["committed"] == {topic: {"1": 2}}
    assert browser.events == [], "what was there before is not told as news"
    consumer.close()


async def test_commits_of_a_transaction_count_when_it_commits_and_not_when_it_aborts(
    kafka: Kafka, watching: Watching
) -> None:
    topic = await in_thread(kafka.topic, 1)
    await in_thread(send, kafka, topic, 10)
    reader = kafka.consumer("eos", **{"client.id": "ada"})
    await in_thread(reader.commit, offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
    await watching.open(topic).until(lambda b: "eos" in b.state["groups"])
    metadata = reader.consumer_group_metadata()

    def transact(offset: int, *, commit: bool) -> None:
        producer.begin_transaction()
        producer.produce(topic, value=b"in a transaction")
        producer.send_offsets_to_transaction([TopicPartition(topic, 0, offset)], metadata)
        producer.commit_transaction() if commit else producer.abort_transaction()

    producer = kafka.producer(**{"transactional.id": "t"})
    await in_thread(producer.init_transactions, 20)
    await in_thread(transact, 7, commit=False)
    browser = await watching.until(lambda b: ends(b, topic) == [12])
    await asyncio.sleep(0.3)
    assert browser.state["groups"]["eos"]["committed"][topic] == {"0": 1}

    await in_thread(transact, 5, commit=True)
    await watching.until(lambda b: b.state["groups"]["eos"]["committed"][topic] == {"0": 5})
    await watching.until(lambda b: b.accounts.get((topic, 0)) == 14)
    assert browser.seen[topic] == 2, "markers take offsets and are no records"
    reader.close()


# -- Topics --------------------------------------------------------------------------------------------------


async def test_a_topic_that_is_viewed_as_soon_as_it_is_made_is_told_of_once(
    kafka: Kafka, watching: Watching
) -> None:
    await watching.open().until(lambda b: b.state["broker"]["ok"])
    topic = await in_thread(kafka.topic, 1)
    await watching.until(lambda _: watching.told("topic_created"))

    watching.hub.view(kafka.hex_id, watching.viewer, [topic])
    await in_thread(send, kafka, topic, 3)
    await watching.until(lambda b: b.offsets[topic][0] == [0, 1, 2])

    assert [event["topic"] for event in watching.told("topic_created")] == [topic]


async def test_a_topic_made_anew_starts_from_nothing(kafka: Kafka, watching: Watching) -> None:
    topic = await in_thread(kafka.topic, 1)
    await in_thread(send, kafka, topic, 5)
    await watching.open(topic).until(lambda b: b.offsets[topic][0] == [0, 1, 2, 3, 4])

    (done,) = kafka.admin.delete_topics([topic]).values()
    await in_thread(done.result, 10)
    await watching.until(lambda b: topic not in b.state["topics"])
    await in_thread(kafka.topic, 1, topic)
    await watching.until(lambda b: ends(b, topic) == [0])
    await in_thread(send, kafka, topic, 2)

    browser = await watching.until(lambda b: b.offsets[topic][0] == [0, 1])
    assert not browser.holes
    assert [e["topic"] for e in watching.told("topic_deleted")] == [topic]


async def test_a_partition_that_is_added_is_read_from_its_first_record(
    kafka: Kafka, watching: Watching
) -> None:
    topic = await in_thread(kafka.topic, 1)
    await watching.open(topic).until(lambda b: topic in b.state["topics"])

    (done,) = kafka.admin.create_partitions([NewPartitions(topic, 3)]).values()
    await in_thread(done.result, 10)
    await in_thread(send, kafka, topic, 30)

    browser = await watching.until(lambda b: b.seen[topic] == 30)
    assert sum(ends(browser, topic)) == 30
    assert len(ends(browser, topic)) == 3


async def test_a_topic_that_does_not_exist_yet_is_read_from_its_first_record(
    kafka: Kafka, watching: Watching
) -> None:
    await watching.open("coming").until(lambda b: b.state["broker"]["ok"])
    await in_thread(kafka.topic, 1, "coming")
    await in_thread(send, kafka, "coming", 100)

    browser = await watching.until(lambda b: b.seen["coming"] == 100)
    assert browser.shown["coming"] == 100


# -- When things break ---------------------------------------------------------------------------------------


async def test_a_broker_that_hangs_is_said_and_nothing_is_missed(kafka: Kafka, watching: Watching) -> None:
    topic = await in_thread(kafka.topic, 1)
    await in_thread(send, kafka, topic, 3)
    await watching.open(topic).until(lambda b: b.offsets[topic][0] == [0, 1, 2])

    await in_thread(kafka.host.backend.freeze, kafka.hex_id)
    try:
        browser = await watching.until(lambda b: not b.state["broker"]["ok"])
        assert "does not answer" in browser.state["broker"]["sentence"]
        assert ends(browser, topic) == [3], "the picture stays"
    finally:
        await in_thread(kafka.host.backend.thaw, kafka.hex_id)

    await watching.until(lambda b: b.state["broker"]["ok"])
    await in_thread(send, kafka, topic, 3)
    await watching.until(lambda b: b.offsets[topic][0] == [0, 1, 2, 3, 4, 5])
    assert browser.snaps == 1


async def test_a_broker_killed_under_load_and_twenty_cuts_lose_and_repeat_nothing(
    kafka: Kafka, watching: Watching
) -> None:
    topic = await in_thread(kafka.topic, 2)
    await watching.open(topic).until(lambda b: topic in b.state["topics"])
    acks: set[tuple[int, int]] = set()
    over = threading.Event()

    def acked(error: object, message: Any) -> None:
        assert error is None, error
        acks.add((int(message.partition()), int(message.offset())))

    def load() -> None:
        producer = kafka.producer(**{"enable.idempotence": True, "message.timeout.ms": 60_000})
        while not over.is_set():
            producer.produce(topic, value=b"x", on_delivery=acked)
            producer.poll(0.01)
        assert producer.flush(60) == 0

    loading = asyncio.create_task(in_thread(load))
    for round_ in range(20):
        await asyncio.sleep(0.2)
        await watching.cut()
        if round_ == 7:
            await in_thread(kafka.host.backend.inject, kafka.hex_id, Fault(kind="broker_kill"))
        if round_ == 12:
            await in_thread(kafka.host.backend.undo, kafka.hex_id, Fault(kind="broker_kill"))
        await asyncio.sleep(0.05)
        watching.come_back()
    await watching.until(lambda b: b.state["broker"]["ok"])
    await asyncio.sleep(1)
    over.set()
    await loading

    total = len(acks)
    browser = await watching.until(lambda b: sum(ends(b, topic)) == total and b.seen[topic] == total)
    assert browser.snaps == 1
    assert not browser.holes
    assert browser.lost == []
    assert browser.applied == sorted(set(browser.applied), key=lambda one: one[1])


async def test_a_sandbox_that_is_not_running_says_so(kafka: Kafka, watching: Watching) -> None:
    watching.hex_id = "f" * 32
    browser = await watching.open("orders").until(lambda b: True)
    assert browser.state["broker"]["sentence"] == "Your sandbox is not running. Press Start."
    assert browser.state["topics"] == {}


async def test_what_nobody_watches_is_asked_nothing(
    kafka: Kafka, watching: Watching, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed_module, "WATCH_S", 1)
    await in_thread(kafka.topic, 1)  # an earlier test may have cost our own client its connection
    others = established(kafka.endpoint)
    await watching.open().until(lambda b: b.state["broker"]["ok"])
    assert established(kafka.endpoint) > others
    await watching.cut()

    async with asyncio.timeout(10):
        while await feed.redis.exists(f"live:lease:{kafka.hex_id}"):
            await asyncio.sleep(0.1)
    await asyncio.sleep(0.2)
    assert established(kafka.endpoint) <= others


def established(endpoint: KafkaEndpoint) -> int:
    """TCP connections of this machine to the sandbox's address that are open."""
    host, port = addresses(endpoint.bootstrap_servers)[0]
    address = "".join(f"{int(part):02X}" for part in reversed(host.split("."))) + f":{port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2] == address and row[3] == "01" for row in rows)
