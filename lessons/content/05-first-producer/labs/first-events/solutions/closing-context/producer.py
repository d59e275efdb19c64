"""Announce every task that was created; the producer flushes when the block ends."""

import json
from datetime import UTC, datetime
from uuid import uuid4

from confluent_kafka import Producer
from sandbox import cluster
from tasks import created_tasks


def event_for(task):
    event_id = str(uuid4())
    body = {
        "event_id": event_id,
        "event_type": "task.created",
        "event_version": "1.0",
        "occurred_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "source": "urn:service:task-api",
        "task_id": task["task_id"],
        "correlation_id": event_id,
        "actor": task["agent"],
        "data": task,
    }
    return task["task_id"], body


def main():
    problems = []
    settings = cluster() | {"partitioner": "murmur2_random", "linger.ms": "20"}
    with Producer(settings) as producer:
        for key, body in map(event_for, created_tasks()):
            producer.produce(
                "task-events",
                json.dumps(body),
                key,
                headers={
                    "event_id": body["event_id"],
                    "event_type": body["event_type"],
                    "content-type": "application/json",
                },
                on_delivery=lambda error, record: problems.append(error) if error else None,
            )
    if problems:
        raise SystemExit(f"{len(problems)} events were not stored: {problems[0]}")


main()
