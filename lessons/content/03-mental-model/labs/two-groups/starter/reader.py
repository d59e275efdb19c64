"""Reads mm-log as a member of a group until it is stopped. Used by audit.py, notify.py and late.py."""

import signal
import sys
from secrets import token_hex

from confluent_kafka import Consumer

from sandbox import cluster


def follow(group_id: str) -> None:
    """Join the group, read whatever partitions it gives us, and leave politely when told to stop."""
    consumer = Consumer(cluster() | {
        "group.id": group_id,
        "group.protocol": "consumer",         # the broker deals the partitions out
        "client.id": f"{group_id}-{token_hex(2)}",
        "auto.offset.reset": "earliest",      # where to begin without a saved place
        "auto.commit.interval.ms": 1000,      # save our place once a second
    })
    owned: set[int] = set()

    def gained(_, partitions) -> None:
        owned.update(part.partition for part in partitions)
        print("now owns", sorted(owned) or "nothing")

    def lost(_, partitions) -> None:
        owned.difference_update(part.partition for part in partitions)
        print("now owns", sorted(owned) or "nothing")

    consumer.subscribe(["mm-log"], on_assign=gained, on_revoke=lost)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    try:
        while True:
            record = consumer.poll(0.5)
            if record is not None and not record.error():
                print(f"P{record.partition()} : {record.offset()}  {record.key().decode()}")
    finally:
        consumer.close()
