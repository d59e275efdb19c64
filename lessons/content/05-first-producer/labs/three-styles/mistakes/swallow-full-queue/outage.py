"""Two thousand events a second, a small queue, and a broker that goes away for five seconds."""

from functools import partial

from confluent_kafka import Producer

from events import events, new_run, paced
from outcomes import Outcomes
from sandbox import cluster

COUNT = 20_000


def hand_over(producer: Producer, event: dict, receipt) -> None:
    """Offer the record until the queue takes it."""
    while True:
        try:
            producer.produce(**event, on_delivery=receipt)
            return
        except BufferError:
            return  # it will go through next time


def main() -> None:
    run = new_run()
    outcomes = Outcomes(COUNT)
    producer = Producer(cluster() | {"queue.buffering.max.messages": 1000, "log_level": 3})
    for number, event in enumerate(paced(events("race-outage", run, COUNT), per_second=2000)):
        hand_over(producer, event, partial(outcomes.note, number))
        producer.poll(0)
    producer.flush(60)
    outcomes.save("outage.json", run)
    print(outcomes.summary())


main()
