"""Proof that a sandbox's Kafka works, and what in it must not be frozen: questions asked of the broker.

Used by backends that have a Kafka; it takes the platform's own endpoint, which must be awake.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable
from typing import Any
from uuid import uuid4

from confluent_kafka import (
    ConsumerGroupState,
    IsolationLevel,
    KafkaException,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec

from sandboxes.backends.base import BackendError, KafkaEndpoint
from sandboxes.kafka_calls import quiet

# Two underscores: internal, so no page and no judge lists it while it is there. Each proof has a topic of its
# own: one that has lost its lease and goes on must not remove what the next one reads.
TOPIC = "__millrace_proof_"
# In all, and below the length of a lease.
PROOF_S, REMOVE_S = 6.0, 1.5
IN_USE_S = 6.0
Read = Callable[[str, float], bytes]
_IDLE = {ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD}


class NotProven(BackendError):
    """The broker answers, but a record does not come back as it was sent."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Your Kafka did not give back a record as it was sent: {why}.", retryable=True)


class _Deadline:
    """One for all requests of a question, however many there are."""

    def __init__(self, seconds: float) -> None:
        self._at = time.monotonic() + seconds

    def left_s(self) -> float:
        """Raises TimeoutError when nothing worth asking for is left."""
        left = self._at - time.monotonic()
        if left < 0.01:
            raise TimeoutError
        return left


def prove(endpoint: KafkaEndpoint, read: Read) -> None:
    """Send a record, read it back, remove its topic; raises NotProven.

    read: gives the bytes of a topic's first partition within so many seconds. A client library would look
    for the coordinator of a group, which makes Kafka's own topic of offsets, and a student's first group is
    to find a new cluster.
    """
    admin, topic, deadline = AdminClient(_quick(endpoint)), TOPIC + uuid4().hex[:12], _Deadline(PROOF_S)
    try:
        _make(admin, topic, deadline)
        _send_and_read(endpoint, topic, read, deadline)
    except KafkaException as error:
        raise NotProven(str(error.args[0])) from error
    except TimeoutError as error:
        raise NotProven("it does not answer") from error
    finally:
        _remove(admin, [topic], _Deadline(REMOVE_S))


def _make(admin: AdminClient, topic: str, deadline: _Deadline) -> None:
    """Make the topic, and remove what a proof left that was cut off."""
    left = deadline.left_s()
    admin.create_topics([NewTopic(topic, 1, 1)], request_timeout=left)[topic].result(left)
    known = admin.list_topics(timeout=deadline.left_s()).topics
    _remove(admin, [name for name in known if name.startswith(TOPIC) and name != topic], deadline)


def _send_and_read(endpoint: KafkaEndpoint, topic: str, read: Read, deadline: _Deadline) -> None:
    sent, left = uuid4().hex.encode(), deadline.left_s()
    producer = Producer({**_quick(endpoint), "linger.ms": 0, "message.timeout.ms": int(left * 1000)})
    producer.produce(topic, sent, partition=0)
    if producer.flush(left):
        raise NotProven("it was not stored")
    if sent not in read(topic, deadline.left_s()):
        raise NotProven("it could not be read")


def _remove(admin: AdminClient, topics: list[str], deadline: _Deadline) -> None:
    """Leave nothing behind; what cannot be removed now was made by a broker that is about to be replaced."""
    if not topics:
        return
    with contextlib.suppress(KafkaException, TimeoutError):
        for done in admin.delete_topics(topics, request_timeout=deadline.left_s()).values():
            done.result(deadline.left_s())


def in_use(endpoint: KafkaEndpoint) -> str:
    """What would suffer if the broker stood still: "member" of a group, open "transaction", or ""."""
    admin, deadline = AdminClient(_quick(endpoint)), _Deadline(IN_USE_S)
    try:
        if _has_members(admin, deadline):
            return "member"
        return "transaction" if _has_open_transaction(admin, deadline) else ""
    except (KafkaException, TimeoutError) as error:
        raise BackendError("Your broker does not answer at the moment.", retryable=True) from error


def _has_members(admin: AdminClient, deadline: _Deadline) -> bool:
    left = deadline.left_s()
    found = admin.list_consumer_groups(request_timeout=left).result(left)
    return any(group.state not in _IDLE for group in found.valid)


def _has_open_transaction(admin: AdminClient, deadline: _Deadline) -> bool:
    """Where a transaction is open, what is stable ends before what is stored."""
    topics = admin.list_topics(timeout=deadline.left_s()).topics
    places = [TopicPartition(name, number) for name, topic in topics.items() for number in topic.partitions]
    if not places:
        return False
    stored, stable = (_ends(admin, places, level, deadline) for level in IsolationLevel)
    return stored != stable


def _ends(
    admin: AdminClient, places: Iterable[TopicPartition], level: IsolationLevel, deadline: _Deadline
) -> dict[tuple[str, int], int]:
    wanted = dict.fromkeys(places, OffsetSpec.latest())
    found = admin.list_offsets(wanted, isolation_level=level, request_timeout=deadline.left_s())
    return {(at.topic, at.partition): answer.result(deadline.left_s()).offset for at, answer in found.items()}


def _quick(endpoint: KafkaEndpoint) -> dict[str, Any]:
    return {**quiet(endpoint), "client.id": "millrace-proof", "topic.metadata.refresh.fast.interval.ms": 10}
