"""Announce every task that was created, on task-events."""

import json
import uuid

from confluent_kafka import Producer

from sandbox import cluster
from tasks import created_tasks


def main() -> None:
    producer = Producer(cluster())
    for task in created_tasks():
        event = json.dumps({"event_id": str(uuid.uuid4()), "task_id": task["task_id"]})
    left = producer.flush(30)
    print(f"{left} still waiting, so everything has been sent")


main()
