"""Announce every task that was created, on task-events."""

import json
import sys
import uuid
from datetime import UTC, datetime

from confluent_kafka import Producer
from sandbox import cluster
from tasks import created_tasks

TOPIC = "task-events"
failed = []


def envelope(task: dict[str, str]) -> dict:
    """What the world is told about one new task."""
    return {
        "event_id": str(uuid.uuid4()),
        "event_type": "task.created",
        "event_version": 1,
        "occurred_at": datetime.now(UTC).isoformat(),
        "source": "task-api",
        "task_id": task["task_id"],
        "correlation_id": str(uuid.uuid4()),
        "causation_id": None,
        "actor": task["agent"],
        "data": {"title": task["title"]},
    }


def delivered(error, record) -> None:
    if error is not None:
        failed.append((record.key(), error))


def main() -> None:
    producer = Producer(cluster() | {"transactional.id": "announcer", "transaction.timeout.ms": 10_000})
    producer.init_transactions(30)
    producer.begin_transaction()
    for task in created_tasks():
        event = envelope(task)
        producer.produce(
            TOPIC,
            key=event["task_id"].encode(),
            value=json.dumps(event, ensure_ascii=False).encode(),
            headers=[("event_type", event["event_type"].encode()), ("event_id", event["event_id"].encode())],
            on_delivery=delivered,
        )
        producer.poll(0)
    left = producer.flush(30)
    print(f"{left} still waiting, {len(failed)} failed")
    sys.exit(1 if left or failed else 0)


main()
