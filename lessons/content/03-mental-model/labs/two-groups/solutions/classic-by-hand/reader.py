"""Reads mm-log as a member of a classic group, committing by hand after every batch."""

import signal
import sys

from confluent_kafka import Consumer
from sandbox import cluster


def follow(group_id):
    consumer = Consumer(
        {
            **cluster(),
            "group.id": group_id,
            "auto.offset.reset": "smallest",
            "enable.auto.commit": False,
        }
    )
    consumer.subscribe(["mm-log"])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        while True:
            batch = [record for record in consumer.consume(100, 0.5) if not record.error()]
            if batch:
                print(f"{len(batch)} records")
                consumer.commit(asynchronous=False)
    finally:
        consumer.close()
