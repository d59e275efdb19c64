"""The oracle against a real broker: what a judge can see of a cluster, and what it can never do to it."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition

from sandboxes import scanning, stagehand
from sandboxes.backends.base import Fault, KafkaEndpoint, ProgramRun, Workspace
from sandboxes.kafka_calls import admin
from sandboxes.observe import KafkaView
from sandboxes.stagehand import OutgoingRecord, TopicWish
from sandboxes.view import ScanTooLarge, ViewUnavailable, lag
from tests.sandboxes.backends.local_host import LocalHost, run_program, wait_until

pytestmark = pytest.mark.kafka


class Here:
    """One sandbox of the module, and fresh names in it."""

    def __init__(self, host: LocalHost) -> None:
        self.host, self.sandbox_id = host, host.start()
        found = host.backend.observe(self.sandbox_id).endpoint
        assert found is not None
        self.endpoint: KafkaEndpoint = found

    def view(self) -> KafkaView:
        workspace = self.host.backend.workspace(self.sandbox_id)
        return KafkaView(endpoint=self.endpoint, workspace=workspace, faults=lambda: ())

    def topic(self, partitions: int = 1, **configs: str) -> str:
        name = f"t-{uuid4().hex[:8]}"
        settings = {key.replace("_", "."): value for key, value in configs.items()}
        stagehand.ensure_topics(
            self.endpoint, [TopicWish(name=name, partitions=partitions, configs=settings)]
        )
        return name

    def send(self, topic: str, *values: str, partition: int = 0) -> None:
        stagehand.send(
            self.endpoint, [OutgoingRecord(topic=topic, value=v, partition=partition) for v in values]
        )


@pytest.fixture(scope="module")
def here(host: LocalHost) -> Iterator[Here]:
    found = Here(host)
    yield found
    host.destroy(found.sandbox_id)


class EndsMeanwhile:
    """A workspace whose program does its last and ends at the moment when it is asked about."""

    def __init__(self, last: Callable[[], object]) -> None:
        self._last = last

    def programs(self) -> tuple[ProgramRun, ...]:
        self._last()
        return (ProgramRun(program_id="p", path="main.py", started_at=1.0, ended_at=2.0, exit_code=0),)


def test_whoever_sees_that_a_program_has_ended_sees_all_that_it_sent(here: Here) -> None:
    topic = here.topic()
    workspace = cast(Workspace, EndsMeanwhile(lambda: here.send(topic, "the last one")))
    view = KafkaView(endpoint=here.endpoint, workspace=workspace, faults=lambda: ())

    view.offsets(topic)  # what is asked first is nothing a judge can know
    assert not view.programs()[0].running
    assert [record.text for record in view.records(topic)] == ["the last one"]


def test_whoever_sees_that_a_program_has_ended_sees_every_topic_that_it_made(here: Here) -> None:
    made: list[str] = []
    workspace = cast(Workspace, EndsMeanwhile(lambda: made.append(here.topic(2))))
    view = KafkaView(endpoint=here.endpoint, workspace=workspace, faults=lambda: ())

    topics = view.topics()
    assert not view.programs()[0].running
    assert made[0] in topics
    assert len(view.offsets(made[0])) == 2


def test_a_topics_settings_say_where_they_come_from(here: Here) -> None:
    topic = here.view().topic(here.topic(3, retention_ms="60000"))

    assert topic is not None
    assert [(p.partition, p.leader, p.isr) for p in topic.partitions] == [(n, 1, (1,)) for n in range(3)]
    assert (topic.configs["retention.ms"].value, topic.configs["retention.ms"].source) == ("60000", "topic")
    assert topic.configs["max.message.bytes"].source == "default"


def test_what_does_not_exist_is_none_or_empty(here: Here) -> None:
    view = here.view()

    assert (view.topic("moon"), view.group("moon"), view.file("moon.txt")) == (None, None, None)
    assert (view.offsets("moon"), view.records("moon")) == ((), ())


def test_records_come_whole_and_in_order(here: Here) -> None:
    topic = here.topic(2)
    stagehand.send(here.endpoint, [
        OutgoingRecord(topic=topic, key="k", value='{"a": 1}', headers=(("h", "1"), ("h", "2")), partition=1),
        OutgoingRecord(topic=topic, value=None, partition=0),
    ])  # fmt: skip
    before = time.time()

    first, second = here.view().records(topic)

    assert (first.partition, first.offset, first.key, first.value) == (0, 0, None, None)
    assert (second.key_text, second.fields(), second.header("h")) == ("k", {"a": 1}, b"2")
    assert abs(second.timestamp - before) < 60


def test_only_records_after_the_horizon_are_read(here: Here) -> None:
    topic = here.topic()
    here.send(topic, "old")
    horizon = stagehand.log_ends(here.endpoint, [topic, "moon"])
    here.send(topic, "new")

    assert horizon == {topic: (1,)}
    assert [record.text for record in here.view().records(topic, since=horizon)] == ["new"]


def test_a_topic_made_anew_is_read_from_its_start(here: Here) -> None:
    topic = here.topic()
    here.send(topic, "a", "b", "c")
    horizon = stagehand.log_ends(here.endpoint, [topic])
    stagehand.remove_topics(here.endpoint, [topic])
    stagehand.ensure_topics(here.endpoint, [TopicWish(name=topic)])
    here.send(topic, "d")

    assert [record.text for record in here.view().records(topic, since=horizon)] == ["d"]


def test_a_client_that_knew_the_old_topic_reads_the_new_one(here: Here) -> None:
    topic = here.topic(3)
    for round_ in range(5):
        here.send(topic, *(["x"] * (round_ + 1)))
        assert len(here.view().records(topic)) == round_ + 1
        stagehand.remove_topics(here.endpoint, [topic])
        stagehand.ensure_topics(here.endpoint, [TopicWish(name=topic, partitions=3)])
        assert stagehand.log_ends(here.endpoint, [topic]) == {topic: (0, 0, 0)}


def test_an_open_transaction_is_seen_by_one_isolation_and_not_by_the_other(here: Here) -> None:
    topic = here.topic()
    producer = Producer({**here.endpoint.client_config(), "transactional.id": f"tx-{uuid4().hex[:6]}"})
    producer.init_transactions(10)
    producer.begin_transaction()
    producer.produce(topic, b"one")
    producer.flush(10)

    view = here.view()
    assert (view.offsets(topic)[0].end, view.offsets(topic)[0].stable) == (1, 0)
    assert len(view.records(topic)) == 1
    assert len(view.records(topic, isolation="read_committed")) == 0

    producer.abort_transaction(10)
    wait_until(lambda: here.view().offsets(topic)[0].end == 2, 10, lambda: "no marker was written")
    view = here.view()
    assert [record.text for record in view.records(topic)] == ["one"]
    assert view.records(topic, isolation="read_committed") == ()


def test_a_groups_members_assignment_and_commits_are_seen(here: Here) -> None:
    topic, name = here.topic(2), f"g-{uuid4().hex[:8]}"
    here.send(topic, "a", "b", "c")
    consumer = Consumer({
        **here.endpoint.client_config(), "group.id": name, "client.id": "audit-1",
        "auto.offset.reset": "earliest", "enable.auto.commit": False,
    })  # fmt: skip
    consumer.subscribe([topic])
    read = 0
    while read < 2:
        read += consumer.poll(1) is not None
    consumer.commit(offsets=[TopicPartition(topic, 0, 2)], asynchronous=False)

    view = here.view()
    group = view.group(name)
    assert group is not None
    assert (group.type, group.state, [member.client_id for member in group.members]) == (
        "classic",
        "Stable",
        ["audit-1"],
    )
    assert group.members[0].assigned == ((topic, 0), (topic, 1))
    assert lag(view.offsets(topic), group.committed_to(topic)) == {0: 1, 1: None}

    consumer.close()
    empty = here.view().group(name)
    assert empty is not None
    assert (empty.state, empty.members) == ("Empty", ())


def test_looking_leaves_no_trace(here: Here) -> None:
    topic = here.topic()
    here.send(topic, "a")
    client = admin(here.endpoint)
    before = {group.group_id for group in client.list_consumer_groups().result().valid}
    view = here.view()
    view.records(topic), view.group("moon"), view.topic(topic)

    after = {group.group_id for group in client.list_consumer_groups().result().valid}
    committed = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions("moon")])["moon"].result()

    assert after == before
    assert committed.topic_partitions == []


def test_one_look_agrees_with_itself_whatever_happens_meanwhile(here: Here) -> None:
    topic = here.topic()
    here.send(topic, "a")
    view = here.view()
    first = (view.offsets(topic), view.records(topic))
    here.send(topic, "b")

    assert (view.offsets(topic), view.records(topic)) == first
    assert len(here.view().records(topic)) == 2


def test_more_records_than_a_check_may_read_are_refused_unread(
    here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "RECORDS_MAX", 3)
    topic = here.topic()
    here.send(topic, "a", "b", "c", "d")

    with pytest.raises(ScanTooLarge, match="4 new records"):
        here.view().records(topic)


def test_zeros_that_are_small_on_disk_do_not_fill_the_memory_of_the_site(here: Here) -> None:
    topic = here.topic()
    packed = Producer({**here.endpoint.client_config(), "compression.type": "zstd", "batch.size": 1000})
    for _ in range(1000):
        packed.produce(topic, bytes(900_000))
        packed.flush(30)
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    before = _peak_bytes()

    with pytest.raises(ScanTooLarge, match="at most 32 MiB"):
        here.view().records(topic)

    assert _peak_bytes() - before < 150_000_000


def test_a_record_beyond_what_one_answer_may_have_is_said_to_be_too_large(here: Here) -> None:
    topic = here.topic(max_message_bytes="20000000")
    producer = Producer({**here.endpoint.client_config(), "message.max.bytes": 20_000_000})
    producer.produce(topic, os.urandom(5_000_000))
    assert producer.flush(30) == 0

    with pytest.raises(ScanTooLarge, match="too large"):
        here.view().records(topic)


def test_all_that_one_look_reads_has_one_bound(here: Here, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scanning, "RECORDS_BYTES", 1_000_000)
    first, second = here.topic(), here.topic()
    here.send(first, "x" * 600_000)
    here.send(second, "x" * 600_000)

    view = here.view()
    assert len(view.records(first)) == 1
    with pytest.raises(ScanTooLarge, match=second):
        view.records(second)
    assert len(here.view().records(second)) == 1


def _peak_bytes() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def test_programs_and_files_of_the_student_are_seen(here: Here) -> None:
    workspace = here.host.backend.workspace(here.sandbox_id)
    run_program(workspace, "open('made.txt', 'w').write('hello'); raise SystemExit(3)", path="lab/main.py")

    view = here.view()
    run = view.programs()[-1]
    assert (run.path, run.exit_code, run.running) == ("lab/main.py", 3, False)
    assert view.file("lab/made.txt") == "hello"


def test_twenty_thousand_records_are_all_read(here: Here) -> None:
    topic = here.topic(3)
    for partition in range(3):
        here.send(topic, *["x" * 100] * 6_700, partition=partition)

    assert len(here.view().records(topic)) == 20_100


def test_a_stage_is_set_and_cleared_any_number_of_times(here: Here) -> None:
    topic = here.topic()
    for _ in range(2):
        stagehand.ensure_topics(here.endpoint, [TopicWish(name=topic)])
        stagehand.grow_topic(here.endpoint, TopicWish(name=topic, partitions=3))
    assert len(here.view().offsets(topic)) == 3

    for _ in range(2):
        stagehand.remove_topics(here.endpoint, [topic])
        stagehand.remove_groups(here.endpoint, ["moon"])
    assert here.view().topic(topic) is None


def test_a_topic_that_grew_before_we_heard_of_it_has_grown(here: Here) -> None:
    topic = here.topic()
    for _ in range(2):
        stagehand._grow(here.endpoint, TopicWish(name=topic, partitions=3))

    assert len(here.view().offsets(topic)) == 3


def test_a_broker_that_is_killed_is_silence_and_its_return_is_waited_for(here: Here) -> None:
    topic = here.topic()
    here.send(topic, "a")
    here.host.backend.inject(here.sandbox_id, Fault(kind="broker_kill"))
    began = time.monotonic()

    with pytest.raises(ViewUnavailable):
        here.view().records(topic)
    assert time.monotonic() - began < 60

    here.host.backend.undo(here.sandbox_id, Fault(kind="broker_kill"))
    deadline = time.monotonic() + 30
    while True:
        try:
            assert len(here.view().records(topic)) == 1
            return
        except ViewUnavailable:
            assert time.monotonic() < deadline
