"""Counts the records of this attempt by partition and writes observed.json, as a student would by hand."""

import json
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from sandbox import cluster

reader = Consumer(cluster() | {"group.id": "count"})
counts = {}
for number in range(3):
    low, high = reader.get_watermark_offsets(TopicPartition("mm-tasks", number), timeout=10)
    counts[f"P{number}"] = high - low
counts["equal_share"] = "yes" if len(set(counts.values())) == 1 else "no"
Path("observed.json").write_text(json.dumps(counts))
print(counts)
