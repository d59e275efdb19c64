"""The events to send, and a pace to send them at. Given: there is nothing to change here."""

import json
import time
import uuid
from collections.abc import Iterable, Iterator

from sandbox import attempt


def new_run() -> str:
    """A name for this run of your program; every record carries it."""
    return f"{attempt()['nonce']}-{uuid.uuid4().hex[:6]}"


def events(topic: str, run: str, count: int) -> Iterator[dict]:
    """`count` events as arguments of produce(): producer.produce(**event, ...)."""
    for number in range(count):
        task_id = f"T-{1000 + number % 400}"
        body = {"event_type": "task.updated", "task_id": task_id, "data": {"step": number}}
        yield {
            "topic": topic,
            "key": task_id,
            "value": json.dumps(body),
            "headers": [("run", run), ("number", str(number))],
        }


def paced(items: Iterable[dict], per_second: int) -> Iterator[dict]:
    """The same items, no faster than so many a second."""
    began = time.monotonic()
    for number, item in enumerate(items):
        early = began + number / per_second - time.monotonic()
        if early > 0.005:
            time.sleep(early)
        yield item
