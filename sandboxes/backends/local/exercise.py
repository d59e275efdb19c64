"""A little of everything a student's first minutes ask of a broker: what the JVM should have seen before.

Run against the training broker while its ahead-of-time cache is recorded: classes loaded here need not be
read, verified and linked again when a sandbox starts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

TOPIC = "exercise"
_WAIT_S = 20.0
_RECORDS = 50


def exercise(config: Mapping[str, str]) -> None:
    """Create a topic, produce, consume as both kinds of group, commit, run a transaction, ask about groups.

    config: librdkafka properties that reach the broker. Raises KafkaException, or TimeoutError.
    """
    config = {**config, "log_level": "2"}  # the client's talk of coordinators still loading is no news here
    _create_topic(AdminClient(dict(config)))
    _produce(Producer({**config, "acks": "all"}))
    for protocol in ("consumer", "classic"):
        _consume({**config, "group.protocol": protocol, "group.id": f"exercise-{protocol}"})
    _transaction(config)
    _ask_admin(AdminClient(dict(config)))


def _create_topic(admin: AdminClient) -> None:
    for future in admin.create_topics([NewTopic(TOPIC, num_partitions=3)]).values():
        future.result(_WAIT_S)


def _produce(producer: Producer) -> None:
    for number in range(_RECORDS):
        producer.produce(TOPIC, key=f"key-{number % 5}", value=f"value {number}", headers={"n": str(number)})
    if producer.flush(_WAIT_S):
        raise TimeoutError("the training broker took no records")


def _consume(config: Mapping[str, str]) -> None:
    consumer = Consumer({**config, "auto.offset.reset": "earliest", "enable.auto.commit": "false"})
    consumer.subscribe([TOPIC])
    try:
        _read(consumer, _RECORDS)
        consumer.commit(asynchronous=False)
    finally:
        consumer.close()


def _read(consumer: Consumer, wanted: int) -> None:
    until = time.monotonic() + _WAIT_S
    while wanted > 0:
        if time.monotonic() > until:
            raise TimeoutError("the training broker gave no records")
        record = consumer.poll(0.2)
        if record is not None and record.error() is None:
            wanted -= 1


def _transaction(config: Mapping[str, str]) -> None:
    producer = Producer({**config, "transactional.id": "exercise"})
    producer.init_transactions(_WAIT_S)
    producer.begin_transaction()
    producer.produce(TOPIC, value="in a transaction")
    producer.commit_transaction(_WAIT_S)


def _ask_admin(admin: AdminClient) -> None:
    try:
        admin.list_topics(timeout=_WAIT_S)
        admin.list_consumer_groups().result(_WAIT_S)
        for described in admin.describe_consumer_groups(["exercise-consumer", "exercise-classic"]).values():
            described.result(_WAIT_S)
        for read in admin.describe_configs([ConfigResource(ResourceType.TOPIC, TOPIC)]).values():
            read.result(_WAIT_S)
    except KafkaException as error:
        raise TimeoutError("the training broker did not answer an admin call") from error
