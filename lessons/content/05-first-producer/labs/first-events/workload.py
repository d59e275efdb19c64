"""The rest of the company, seen from task-events: other services write there too.

Their records have task ids of their own, so they never count as yours.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from uuid import UUID

from lessons.checks import WorkloadRecord

EVENTS = ("task.updated", "task.updated", "task.completed", "task.failed")
AGENTS = ("planner", "coder", "notifier")


def records(*, seed: int, nonce: str) -> Iterator[WorkloadRecord]:
    """Forty events about eight older tasks, one or two a second."""
    chance = random.Random(seed)
    after = 0.0
    for number in range(40):
        after += chance.uniform(0.4, 1.0)
        task_id = f"T-{chance.randrange(8) + 1030}"
        event_id = str(UUID(int=chance.getrandbits(128), version=4))
        event_type = chance.choice(EVENTS)
        body = {
            "event_id": event_id,
            "event_type": event_type,
            "event_version": 1,
            "source": "agent-runner",
            "task_id": task_id,
            "correlation_id": event_id,
            "actor": chance.choice(AGENTS),
            "data": {"step": number},
        }
        yield WorkloadRecord(
            after=round(after, 3),
            topic="task-events",
            key=task_id,
            value=json.dumps(body),
            headers=(("event_type", event_type), ("event_id", event_id)),
        )
