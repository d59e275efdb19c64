"""What the platform does inside a student's Kafka on a lab's behalf: topics made and removed, records sent.

Every call may be repeated. It touches only the names it is given. Raises ViewUnavailable while the broker
does not answer, StageError when Kafka refuses what a lab asks for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from confluent_kafka import KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import NewPartitions, NewTopic, OffsetSpec

from sandboxes import groups
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.brokers import REQUEST_S
from sandboxes.kafka_calls import ABSENT, admin, is_error, patiently, quiet
from sandboxes.view import Horizon, ViewUnavailable
from sandboxes.wire.errors import Refused

_GONE_S = 5.0
_EMPTY_S = 3.0
_SETTLED = {KafkaError.TOPIC_ALREADY_EXISTS}
_GROWN = {KafkaError.INVALID_PARTITIONS}  # we ask only for more, so it has them


class StageError(Exception):
    """Kafka refused; the text is Kafka's own sentence."""

    def __init__(self, refusal: KafkaError) -> None:
        super().__init__(refusal.str())
        self.code = refusal.code()


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicWish:
    """A topic to be there with at least that many partitions. Settings count when it is made."""

    name: str
    partitions: int = 1
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRecord:
    """A record to send; partition None leaves the choice to the key."""

    topic: str
    key: str | None = None
    value: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    partition: int | None = None


def ensure_topics(endpoint: KafkaEndpoint, wishes: Sequence[TopicWish]) -> None:
    """Make what is missing and wait until it can be written to; leave alone what exists."""
    if not wishes:
        return
    for wish in wishes:
        _create(endpoint, wish)
    deadline = time.monotonic() + _GONE_S
    while not _all_led(endpoint, [wish.name for wish in wishes]):
        if time.monotonic() > deadline:
            raise ViewUnavailable("the new topics have no leader yet")
        time.sleep(0.05)


def grow_topic(endpoint: KafkaEndpoint, wish: TopicWish) -> None:
    """Make the topic, or raise its number of partitions to the one wished for."""
    ensure_topics(endpoint, [wish])
    found = patiently(lambda: admin(endpoint).list_topics(timeout=REQUEST_S)).topics[wish.name]
    if len(found.partitions) < wish.partitions:
        _grow(endpoint, wish)


def remove_topics(endpoint: KafkaEndpoint, names: Iterable[str]) -> None:
    """Delete those that exist and wait until they are gone."""
    there = set(patiently(lambda: admin(endpoint).list_topics(timeout=REQUEST_S)).topics)
    doomed = [name for name in names if name in there]
    for name in doomed:
        _do(partial(_delete_topic, endpoint, name), ABSENT)
    deadline = time.monotonic() + _GONE_S
    while doomed and time.monotonic() < deadline:
        left = set(patiently(lambda: admin(endpoint).list_topics(timeout=REQUEST_S)).topics)
        doomed = [name for name in doomed if name in left]
        time.sleep(0.05)


def remove_groups(endpoint: KafkaEndpoint, names: Iterable[str]) -> None:
    """Delete groups; one whose members do not leave within some seconds is left.

    A member that was killed stays until its session times out, 45 s by default.
    """
    left, deadline = list(names), time.monotonic() + _EMPTY_S
    while left:
        left = [name for name in left if not _removed_group(endpoint, name)]
        if not left or time.monotonic() > deadline:
            return
        time.sleep(0.1)


def log_ends(endpoint: KafkaEndpoint, names: Iterable[str]) -> Horizon:
    """Log ends now, per topic; topics that do not exist are left out."""
    topics = patiently(lambda: admin(endpoint).list_topics(timeout=REQUEST_S)).topics
    places = [TopicPartition(n, p) for n in names if n in topics for p in sorted(topics[n].partitions)]
    if not places:
        return {}

    def call() -> dict[str, tuple[int, ...]]:
        wanted = dict.fromkeys(places, OffsetSpec.latest())
        answers = admin(endpoint).list_offsets(wanted, request_timeout=REQUEST_S)
        ends: dict[str, list[int]] = {}
        for place in places:
            ends.setdefault(place.topic, []).append(answers[place].result().offset)
        return {name: tuple(offsets) for name, offsets in ends.items()}

    return patiently(call)


def send(endpoint: KafkaEndpoint, records: Sequence[OutgoingRecord]) -> int:
    """Send records in order and wait for all to be stored; how many were. Raises ViewUnavailable."""
    if not records:
        return 0
    stored: list[int] = []

    def on_delivery(error: KafkaError | None, _record: object) -> None:
        stored.append(0 if error else 1)

    producer = Producer({
        **quiet(endpoint), "client.id": "millrace-workload", "enable.idempotence": True, "linger.ms": 1,
        "message.timeout.ms": 4000, "partitioner": "murmur2_random",
    })  # fmt: skip
    for record in records:
        _produce(producer, record, on_delivery)
        producer.poll(0)
    producer.flush(5)
    if sum(stored) < len(records):
        raise ViewUnavailable(f"{sum(stored)} of {len(records)} workload records were stored")
    return len(records)


def _produce(producer: Producer, record: OutgoingRecord, on_delivery: Callable[..., None]) -> None:
    headers: list[tuple[str, str | bytes | None]] = [(name, value) for name, value in record.headers]
    anywhere = -1  # librdkafka's own "let the partitioner choose"
    where = anywhere if record.partition is None else record.partition
    producer.produce(
        record.topic,
        value=record.value,
        key=record.key,
        headers=headers,
        partition=where,
        on_delivery=on_delivery,
    )


def _create(endpoint: KafkaEndpoint, wish: TopicWish) -> None:
    topic = NewTopic(wish.name, num_partitions=wish.partitions, config=dict(wish.configs))
    _do(partial(_create_topic, endpoint, topic), _SETTLED)


def _create_topic(endpoint: KafkaEndpoint, topic: NewTopic) -> None:
    admin(endpoint).create_topics([topic], request_timeout=REQUEST_S)[topic.topic].result()


def _grow(endpoint: KafkaEndpoint, wish: TopicWish) -> None:
    """A busy broker may do it after we stopped waiting, or tell of it late: then it has been done before."""
    _do(partial(_add_partitions, endpoint, wish), _GROWN)


def _add_partitions(endpoint: KafkaEndpoint, wish: TopicWish) -> None:
    request = [NewPartitions(wish.name, wish.partitions)]
    admin(endpoint).create_partitions(request, request_timeout=REQUEST_S)[wish.name].result()


def _delete_topic(endpoint: KafkaEndpoint, name: str) -> None:
    admin(endpoint).delete_topics([name], request_timeout=REQUEST_S)[name].result()


def _removed_group(endpoint: KafkaEndpoint, name: str) -> bool:
    """Delete a group; False while it has members."""
    try:
        return groups.remove(endpoint, name)
    except Refused as error:
        raise StageError(KafkaError(error.code)) from error


def _all_led(endpoint: KafkaEndpoint, names: Iterable[str]) -> bool:
    topics = patiently(lambda: admin(endpoint).list_topics(timeout=REQUEST_S)).topics
    return all(n in topics and all(p.leader >= 0 for p in topics[n].partitions.values()) for n in names)


def _do(call: Callable[[], object], fine: set[int] | None = None) -> None:
    """Make the call; errors in `fine` mean that it was done before."""
    try:
        patiently(call)
    except KafkaException as error:
        if not is_error(error, fine or set()):
            raise StageError(error.args[0]) from error
