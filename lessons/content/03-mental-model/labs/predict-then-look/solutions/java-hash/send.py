"""Twelve tasks, five steps each, sent round by round to mm-tasks."""

import json
from collections import Counter, defaultdict
from pathlib import Path

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
    producer = Producer(cluster() | {"partitioner": "murmur2_random", "linger.ms": 50})
    for step in range(1, STEPS + 1):
        for task_id in task_ids():
            value = json.dumps({"task_id": task_id, "step": step})
            producer.produce(TOPIC, key=task_id.encode("utf-8"), value=value, on_delivery=placed)
    producer.flush(30)
    landed = Counter(partition for partitions in places.values() for partition in partitions)
    sheet = {name: landed[name] for name in ("P0", "P1", "P2")}
    sheet["equal_share"] = "yes" if len(set(sheet.values())) == 1 else "no"
    Path("observed.json").write_text(json.dumps(sheet))


main()
