"""Records at a steady rate, and a plain client that reads them: the way in and the peer of the live path."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from sandboxes.backends.base import KafkaEndpoint

PARTITIONS = 3
_TICK_S = 0.01
Place = tuple[int, int]
_VALUE = b'{"event_type": "task.created", "task_id": "T-0001", "note": "about a hundred bytes, as usual"}'


def make_topic(endpoint: KafkaEndpoint, name: str) -> None:
    admin = AdminClient({**endpoint.client_config(), "log_level": 0})
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(10)


class Traffic:
    """Sends while it is entered. acked: place of each record -> when it was acknowledged, epoch seconds."""

    def __init__(
        self, endpoint: KafkaEndpoint, topic: str, *, rate: float = 100.0, linger_ms: int = 0
    ) -> None:
        """rate: records a second; above a hundred they leave several at a time."""
        self.acked: dict[Place, float] = {}
        self.failed = 0
        self._topic, self._together = topic, max(1, round(rate * _TICK_S))
        self._gap_s = self._together / rate
        config = {**endpoint.client_config(), "linger.ms": linger_ms, "acks": "all", "log_level": 0}
        self._producer = Producer(config)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> Traffic:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopped.set()
        self._thread.join()
        self._producer.flush(10)

    def _send(self) -> None:
        due, number = time.monotonic(), 0
        while not self._stopped.is_set():
            while (left := due - time.monotonic()) > 0:
                self._producer.poll(left)
            due += self._gap_s
            for one in range(number, number + self._together):
                self._produce(one)
            number += self._together

    def _produce(self, number: int) -> None:
        self._producer.produce(
            self._topic,
            _VALUE,
            key=f"k{number % 26}",
            partition=number % PARTITIONS,
            on_delivery=self._told,
        )

    def _told(self, error: KafkaError | None, message: Message) -> None:
        if error is not None:
            self.failed += 1
            return
        self.acked[message.partition() or 0, message.offset() or 0] = time.time()


class Reader:
    """A raw confluent-kafka consumer. seen: place -> when it was here, epoch seconds."""

    def __init__(self, endpoint: KafkaEndpoint, topic: str) -> None:
        self.seen: dict[Place, float] = {}
        config: dict[str, Any] = {**endpoint.client_config(), "group.id": "raw", "enable.auto.commit": False}
        self._consumer = Consumer({**config, "auto.offset.reset": "latest"})
        self._consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Reader:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join()
        self._consumer.close()

    def _read(self) -> None:
        while not self._stopped.is_set():
            message = self._consumer.poll(0.1)
            if message is not None and message.error() is None:
                self.seen[message.partition() or 0, message.offset() or 0] = time.time()
