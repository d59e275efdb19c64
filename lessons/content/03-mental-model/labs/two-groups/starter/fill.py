"""Puts sixty events about twelve tasks into mm-log. Given: there is nothing to change here."""

import json

from confluent_kafka import Producer

from sandbox import attempt, cluster

producer = Producer(cluster())
for step in range(1, 6):
    for number in range(12):
        task_id = f"T-{attempt()['nonce']}-{number}"
        producer.produce("mm-log", key=task_id, value=json.dumps({"task_id": task_id, "step": step}))
print(f"{producer.flush(30)} unanswered")
