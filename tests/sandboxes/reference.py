"""The records of a topic as confluent-kafka's consumer reads them: what our own reader is held against."""

from __future__ import annotations

import time
from uuid import uuid4

from confluent_kafka import Consumer, KafkaError, Message, TopicPartition

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.kafka_calls import quiet
from sandboxes.scanning import Spans
from sandboxes.view import Isolation, RecordView

_WITHIN_S = 60.0


def client_settings(endpoint: KafkaEndpoint, isolation: Isolation) -> dict[str, object]:
    """Of a consumer that reads what is there and goes."""
    return {
        **quiet(endpoint),
        "group.id": f"millrace-checks-{uuid4().hex[:8]}",  # a name is required; it is never joined
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "enable.partition.eof": True,
        "auto.offset.reset": "error",
        "isolation.level": isolation,
        "fetch.wait.max.ms": 20,
        "fetch.queue.backoff.ms": 5,
        "message.max.bytes": 8192,
        "fetch.message.max.bytes": 8192,
        "fetch.max.bytes": 8192,
        "receive.message.max.bytes": 1_500_000,
        "check.crcs": False,
    }


def read(endpoint: KafkaEndpoint, topic: str, spans: Spans, isolation: Isolation) -> tuple[RecordView, ...]:
    """From each partition's first offset to before the second."""
    left = {partition: end for partition, (begin, end) in spans.items() if end > begin}
    found: list[Message] = []
    consumer = Consumer(client_settings(endpoint, isolation))
    consumer.assign([TopicPartition(topic, p, spans[p][0]) for p in left])
    until = time.monotonic() + _WITHIN_S
    while left:
        assert time.monotonic() < until, f"not read: {left}"
        message = consumer.poll(0.2)
        if message is None:
            continue
        partition, offset, error = message.partition() or 0, message.offset() or 0, message.error()
        end = left.get(partition, 0)
        if error is not None:
            assert error.code() == KafkaError._PARTITION_EOF, error
        elif offset < end:
            found.append(message)
        if error is not None or offset >= end - 1:
            left.pop(partition, None)
    consumer.close()
    return tuple(sorted(map(_record, found), key=lambda record: (record.partition, record.offset)))


def _record(message: Message) -> RecordView:
    _, timestamp_ms = message.timestamp()
    headers = message.headers() or []
    assert isinstance(headers, list)
    return RecordView(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        timestamp=timestamp_ms / 1000,
        key=_bytes(message.key()),
        value=_bytes(message.value()),
        headers=tuple((name, _bytes(value)) for name, value in headers),
    )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value
