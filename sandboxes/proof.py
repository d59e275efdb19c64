"""Proof that a sandbox's Kafka works, and what in it must not be frozen: questions asked of the broker.

Used by backends that have a Kafka; it takes the platform's own endpoint, which must be awake.
"""

from __future__ import annotations

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
from sandboxes.kafka_calls import REQUEST_S, quiet

# Two underscores: internal, so no page and no judge lists it while it is there.
TOPIC = "__millrace_proof"
PROOF_S = 3.0
Read = Callable[[str], bytes]
_IDLE = {ConsumerGroupState.EMPTY, ConsumerGroupState.DEAD}


class NotProven(BackendError):
    """The broker answers, but a record does not come back as it was sent."""

    def __init__(self, why: str) -> None:
        super().__init__(f"Your Kafka did not give back a record as it was sent: {why}.", retryable=True)


def prove(endpoint: KafkaEndpoint, read: Read) -> None:
    """Send a record, read it back, remove its topic; raises NotProven.

    read: gives the bytes of a topic's first partition. A client library would look for the coordinator of a
    group, which makes Kafka's own topic of offsets, and a student's first group is to find a new cluster.
    """
    admin = AdminClient(_quick(endpoint))
    try:
        admin.create_topics([NewTopic(TOPIC, 1, 1)], request_timeout=PROOF_S)[TOPIC].result(PROOF_S)
        _send_and_read(endpoint, uuid4().hex.encode(), read)
    except KafkaException as error:
        raise NotProven(str(error.args[0])) from error
    except TimeoutError as error:
        raise NotProven("it does not answer") from error
    finally:
        _remove(admin)


def _send_and_read(endpoint: KafkaEndpoint, sent: bytes, read: Read) -> None:
    producer = Producer({**_quick(endpoint), "linger.ms": 0, "message.timeout.ms": int(PROOF_S * 1000)})
    producer.produce(TOPIC, sent, partition=0)
    if producer.flush(PROOF_S):
        raise NotProven("it was not stored")
    if sent not in read(TOPIC):
        raise NotProven("it could not be read")


def _remove(admin: AdminClient) -> None:
    """Leave nothing behind; what cannot be removed now was made by a broker that is about to be replaced."""
    try:
        admin.delete_topics([TOPIC], request_timeout=PROOF_S)[TOPIC].result(PROOF_S)
    except (KafkaException, TimeoutError):
        return


def in_use(endpoint: KafkaEndpoint) -> str:
    """What would suffer if the broker stood still: "member" of a group, open "transaction", or ""."""
    admin = AdminClient(_quick(endpoint))
    try:
        if _has_members(admin):
            return "member"
        return "transaction" if _has_open_transaction(admin) else ""
    except (KafkaException, TimeoutError) as error:
        raise BackendError("Your broker does not answer at the moment.", retryable=True) from error


def _has_members(admin: AdminClient) -> bool:
    found = admin.list_consumer_groups(request_timeout=REQUEST_S).result(2 * REQUEST_S)
    return any(group.state not in _IDLE for group in found.valid)


def _has_open_transaction(admin: AdminClient) -> bool:
    """Where a transaction is open, what is stable ends before what is stored."""
    topics = admin.list_topics(timeout=REQUEST_S).topics
    places = [TopicPartition(name, number) for name, topic in topics.items() for number in topic.partitions]
    if not places:
        return False
    stored, stable = (_ends(admin, places, level) for level in IsolationLevel)
    return stored != stable


def _ends(
    admin: AdminClient, places: Iterable[TopicPartition], level: IsolationLevel
) -> dict[tuple[str, int], int]:
    wanted = dict.fromkeys(places, OffsetSpec.latest())
    found = admin.list_offsets(wanted, isolation_level=level, request_timeout=REQUEST_S)
    return {(at.topic, at.partition): answer.result(2 * REQUEST_S).offset for at, answer in found.items()}


def _quick(endpoint: KafkaEndpoint) -> dict[str, Any]:
    return {**quiet(endpoint), "client.id": "millrace-proof", "topic.metadata.refresh.fast.interval.ms": 10}
