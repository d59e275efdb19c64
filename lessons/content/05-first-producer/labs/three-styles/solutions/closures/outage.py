"""Two thousand events a second, a small queue, and a broker that goes away for five seconds."""

from confluent_kafka import Producer
from events import events, new_run, paced
from outcomes import Outcomes
from sandbox import cluster

COUNT = 20_000


def main() -> None:
    run = new_run()
    outcomes = Outcomes(COUNT)
    producer = Producer(
        cluster() | {"queue.buffering.max.messages": 1000, "log_level": 3, "message.timeout.ms": 2500}
    )
    for number, event in enumerate(paced(events("race-outage", run, COUNT), per_second=2000)):
        accepted = False
        while not accepted:
            try:
                producer.produce(
                    **event, on_delivery=lambda error, record, n=number: outcomes.note(n, error, record)
                )
                accepted = True
            except BufferError:
                producer.poll(0.05)
        producer.poll(0)
    while producer.flush(5):
        print("still waiting")
    outcomes.save("outage.json", run)
    print(outcomes.summary())


main()
