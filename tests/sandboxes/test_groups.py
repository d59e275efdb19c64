"""Consumer groups on a real broker, as a judge sees them: of both kinds, and while connections break."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import ConsumerGroupDescription

from sandboxes import brokers, groups, stagehand
from sandboxes.backends.base import Fault, KafkaEndpoint
from sandboxes.kafka_calls import admin
from sandboxes.stagehand import OutgoingRecord, TopicWish
from sandboxes.view import GroupView, ViewUnavailable
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until
from tests.sandboxes.cutting import cutting

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
THREADS = 8  # as in the worker
WITHIN_S = 240.0
TOPIC = "orders"
# Reads and removes in eight threads until its input ends; prints how many times each, and what it saw.
WORKER = """
import json, sys, threading
from sandboxes import groups
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.view import ViewUnavailable

endpoint = KafkaEndpoint(**json.loads(sys.stdin.readline()))
over, seen, counts, lock = threading.Event(), set(), {"read": 0, "removed": 0, "silent": 0}, threading.Lock()

def work():
    while not over.is_set():
        try:
            seen.add(repr(groups.read(endpoint, "readers")))
            what = "read"
            if groups.remove(endpoint, "nobody"):
                what = "removed"
        except ViewUnavailable:
            what = "silent"
        with lock:
            counts[what] += 1
            if what == "removed":
                counts["read"] += 1
                if counts["read"] % 10 == 0:
                    print(counts["read"], flush=True)

threads = [threading.Thread(target=work) for _ in range(int(sys.argv[1]))]
[thread.start() for thread in threads]
sys.stdin.read()
over.set()
[thread.join() for thread in threads]
print(json.dumps({**counts, "seen": sorted(seen)}))
"""


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(host: LocalHost) -> Iterator[str]:
    sandbox_id = host.start()
    yield sandbox_id
    host.destroy(sandbox_id)


@pytest.fixture(scope="module")
def endpoint(host: LocalHost, sandbox: str) -> KafkaEndpoint:
    return prepared(host, sandbox)


def prepared(host: LocalHost, sandbox: str) -> KafkaEndpoint:
    """A sandbox with a topic that has some records."""
    found = host.backend.observe(sandbox).endpoint
    assert found
    stagehand.ensure_topics(found, [TopicWish(name=TOPIC, partitions=3)])
    records = [OutgoingRecord(topic=TOPIC, value="x", partition=n) for n in (0, 0, 0, 1, 2)]
    assert stagehand.send(found, records) == 5
    return found


def reading(endpoint: KafkaEndpoint, group: str, protocol: str) -> Consumer:
    """A member of a group that has its partitions and has committed two offsets."""
    consumer = Consumer({
        **endpoint.client_config(), "group.id": group, "client.id": f"of-{group}", "group.protocol": protocol,
        "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 2,
    })  # fmt: skip
    consumer.subscribe([TOPIC])
    wait_until(lambda: consumer.poll(0.2) is not None, 60, lambda: "nothing came")
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 2), TopicPartition(TOPIC, 2, 0)], asynchronous=False)
    return consumer


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_a_group_of_either_kind_is_seen_whole(endpoint: KafkaEndpoint, protocol: str) -> None:
    group = f"{protocol}-{uuid4().hex[:6]}"
    consumer = reading(endpoint, group, protocol)

    found = groups.read(endpoint, group)
    assert found is not None
    assert (found.group_id, found.type, found.state) == (group, protocol, "Stable")
    assert [(m.client_id, m.assigned) for m in found.members] == [
        (f"of-{group}", ((TOPIC, 0), (TOPIC, 1), (TOPIC, 2)))
    ]
    assert found.members[0].host.startswith("/")
    assert found.committed == {(TOPIC, 0): 2, (TOPIC, 2): 0}
    assert not groups.remove(endpoint, group)

    consumer.close()
    empty = groups.read(endpoint, group)
    assert empty is not None
    assert (empty.state, empty.members, empty.committed) == ("Empty", (), found.committed)
    assert groups.remove(endpoint, group)
    assert groups.read(endpoint, group) is None


def test_another_client_describes_the_same_group(endpoint: KafkaEndpoint) -> None:
    group = f"same-{uuid4().hex[:6]}"
    consumer = reading(endpoint, group, "classic")

    other: ConsumerGroupDescription = admin(endpoint).describe_consumer_groups([group])[group].result(30)
    found = groups.read(endpoint, group)

    assert found is not None
    (member,), (theirs,) = found.members, other.members
    assert (member.member_id, member.client_id, member.host) == (
        theirs.member_id, theirs.client_id, theirs.host,
    )  # fmt: skip
    assert list(member.assigned) == sorted(
        (place.topic, place.partition) for place in theirs.assignment.topic_partitions
    )
    consumer.close()


@contextmanager
def worker(endpoint: KafkaEndpoint) -> Iterator[subprocess.Popen[str]]:
    """It runs until its input is closed; killed when that takes too long."""
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(THREADS)],
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'platform'}"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        late = threading.Timer(WITHIN_S, process.kill)
        late.start()
        assert process.stdin
        process.stdin.write(json.dumps(asdict(endpoint)) + "\n")
        process.stdin.flush()
        try:
            yield process
        finally:
            late.cancel()


def until_read(process: subprocess.Popen[str], times: int) -> None:
    """Until it has told of so many looks more; ends with the process."""
    assert process.stdout
    for _ in range(times // 10):
        if not process.stdout.readline():
            return


def until_whole(endpoint: KafkaEndpoint) -> None:
    """Until three brokers have all of the commits; else the next kill could take the last that has them."""

    def whole() -> bool:
        commits = admin(endpoint).list_topics(timeout=30).topics["__consumer_offsets"]
        return all(len(place.isrs) == 3 for place in commits.partitions.values())

    wait_until(whole, 120, lambda: "a broker lags behind")


def until_missed(endpoint: KafkaEndpoint, node: int) -> None:
    """Until the others know that a broker is gone; before that it counts as one that has all commits."""

    def missed() -> bool:
        try:
            commits = admin(endpoint).list_topics(timeout=5).topics["__consumer_offsets"]
        except KafkaException:  # asked just the one that is gone
            return False
        return all(node not in place.isrs for place in commits.partitions.values())

    wait_until(missed, 120, lambda: "a broker that was killed is not missed")


def ended(process: subprocess.Popen[str]) -> tuple[dict[str, int], list[str]]:
    """What it counted and saw, once it has ended by itself; a thread that died would have complained."""
    said, complained = process.communicate(timeout=120)
    assert (process.returncode, complained) == (0, "")
    counts = json.loads(said.splitlines()[-1])
    return counts, counts.pop("seen")


@pytest.fixture
def committed(endpoint: KafkaEndpoint) -> GroupView:
    return committed_in(endpoint)


def committed_in(endpoint: KafkaEndpoint) -> GroupView:
    """The group that the worker reads, without members."""
    reading(endpoint, "readers", "classic").close()
    found = groups.read(endpoint, "readers")
    assert found
    assert found.committed
    return found


def test_connections_that_are_cut_in_the_middle_of_questions_end_no_process(
    endpoint: KafkaEndpoint, committed: GroupView
) -> None:
    with cutting(endpoint, every=25) as door, worker(door.endpoint) as process:
        until_read(process, 500)
        counts, seen = ended(process)

    assert door.cuts >= 50
    assert counts["read"] >= 500
    assert seen == [repr(committed)]


def test_a_broker_that_is_killed_under_many_questions_ends_no_process(
    host: LocalHost, sandbox: str, endpoint: KafkaEndpoint, committed: GroupView
) -> None:
    kill = Fault(kind="broker_kill")
    with worker(endpoint) as process:
        for _ in range(3):
            until_read(process, 50)
            host.backend.inject(sandbox, kill)
            with pytest.raises(ViewUnavailable):
                groups.read(endpoint, "readers")
            host.backend.undo(sandbox, kill)
            until_read(process, 50)
        _, seen = ended(process)

    assert seen == [repr(committed)]


def test_coordinators_that_are_killed_one_after_the_other_end_no_process(host: LocalHost) -> None:
    """Where librdkafka's admin client may abort (its issue 4605), and answers hardly at all."""
    sandbox = host.start("kafka-3")
    endpoint = prepared(host, sandbox)
    committed = committed_in(endpoint)
    with worker(endpoint) as process:
        for node in (1, 2, 3):
            until_whole(endpoint)
            until_read(process, 50)
            kill = Fault(kind="broker_kill", node=node)
            host.backend.inject(sandbox, kill)
            until_missed(endpoint, node)
            until_read(process, 100)
            host.backend.undo(sandbox, kill)
        counts, seen = ended(process)
    host.destroy(sandbox)

    assert counts["read"] >= 450
    assert repr(committed) in seen
    # Whoever takes over may take a member that has left for one that is there; commits are the same to all.
    assert all("('orders', 0): 2" in view and "('orders', 2): 0" in view for view in seen), seen


def test_silence_is_waited_for_only_so_long(endpoint: KafkaEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(brokers, "PATIENCE_S", 0.3)
    with cutting(endpoint, every=1) as door, ThreadPoolExecutor(2) as threads:
        looks = [threads.submit(call, door.endpoint, "readers") for call in (groups.read, groups.remove)]
        for look in looks:
            with pytest.raises(ViewUnavailable):
                look.result(60)
