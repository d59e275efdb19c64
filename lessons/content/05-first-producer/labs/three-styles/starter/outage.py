"""Two thousand events a second, a small queue, and a broker that goes away for five seconds."""

from confluent_kafka import Producer

from events import events, new_run, paced
from outcomes import Outcomes
from sandbox import cluster

COUNT = 20_000


def main() -> None:
    run = new_run()
    outcomes = Outcomes(COUNT)
    producer = Producer(cluster() | {"queue.buffering.max.messages": 1000, "log_level": 3})
    for number, event in enumerate(paced(events("race-outage", run, COUNT), per_second=2000)):
        pass  # TODO: hand it over; when the queue is full, make room and offer it again
    # TODO: wait for the last receipts
    outcomes.save("outage.json", run)
    print(outcomes.summary())


main()
