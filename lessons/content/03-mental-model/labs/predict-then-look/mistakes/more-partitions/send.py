"""Twelve tasks, five steps each, sent round by round to mm-tasks."""

import json
from collections import defaultdict

from confluent_kafka import Producer
from prediction import missing
from sandbox import attempt, cluster

TOPIC = "mm-tasks"
TASKS, STEPS = 12, 5

places = defaultdict(list)


def task_ids() -> list[str]:
    """The twelve tasks of this attempt."""
    return [f"T-{attempt()['nonce']}-{number}" for number in range(TASKS)]


def placed(error, record) -> None:
    """Called once for each record, with the place it got."""
    places[json.loads(record.value())["task_id"]].append("failed" if error else f"P{record.partition()}")


def main() -> None:
    lacking = missing()
    if lacking:
        print("Nothing sent yet.", lacking)
        return
    producer = Producer(cluster())
    for step in range(1, STEPS + 1):
        for task_id in task_ids():
            value = json.dumps({"task_id": task_id, "step": step})
            producer.produce(TOPIC, key=task_id, value=value, on_delivery=placed)
    producer.flush(30)
    for task_id, partitions in places.items():
        print(task_id, *partitions)


main()
