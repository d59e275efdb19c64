"""The audit service."""

import time

from confluent_kafka import Consumer

from sandbox import cluster

consumer = Consumer(cluster() | {"group.id": "audit", "auto.offset.reset": "earliest"})
consumer.assign([])
while True:
    time.sleep(1)
