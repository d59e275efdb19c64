"""The same events in three styles, one after the other."""

import json
import time
from functools import partial
from pathlib import Path

from confluent_kafka import Producer
from events import events, new_run
from outcomes import Outcomes
from sandbox import cluster

FIRE, SYNC, RECEIPTS = 20_000, 1_000, 20_000


def fire_and_forget(producer: Producer, run: str) -> int:
    """Send and do not look. Returns how many records are unanswered at the end."""
    for event in events("race-fire", run, FIRE):
        producer.produce(**event)
        producer.poll(0)
    return producer.flush(60)


def one_by_one(producer: Producer, run: str) -> Outcomes:
    """Send a record and wait until its outcome is known, then the next."""
    outcomes = Outcomes(SYNC)
    for number, event in enumerate(events("race-sync", run, SYNC)):
        producer.produce(**event, on_delivery=partial(outcomes.note, number))
        if number % 100 == 99:  # no need to wait so often
            producer.flush(60)
    return outcomes


def with_receipts(producer: Producer, run: str) -> Outcomes:
    """Send without waiting; every receipt notes the outcome of its own record."""
    outcomes = Outcomes(RECEIPTS)
    for number, event in enumerate(events("race-receipts", run, RECEIPTS)):
        producer.produce(**event, on_delivery=partial(outcomes.note, number))
        producer.poll(0)
    producer.flush(60)
    return outcomes


def timed(style, run: str):
    began = time.monotonic()
    result = style(Producer(cluster()), run)
    print(f"{style.__name__:16} {time.monotonic() - began:7.2f} s")
    return result


def main() -> None:
    run = new_run()
    unanswered = timed(fire_and_forget, run)
    sync = timed(one_by_one, run)
    receipts = timed(with_receipts, run)
    receipts.save("outcomes.json", run)
    results = {
        "run": run,
        "fire": {"sent": FIRE, "unanswered": unanswered},
        "sync": sync.summary(),
        "receipts": receipts.summary(),
    }
    Path("results.json").write_text(json.dumps(results, indent=2))
    print(json.dumps(results, indent=2))


main()
