"""Celery's thin way in: doorbells that say "look at this attempt"."""

from __future__ import annotations

from functools import partial
from uuid import UUID

from celery import shared_task
from django.db import transaction

from lessons import rounds

BUSY_S = 0.5


@shared_task(ignore_result=True, expires=30)
def grade(attempt_id: str) -> None:
    """Run one round; ring again when something is due soon or another worker was in the room."""
    outcome = rounds.run_round(UUID(attempt_id))
    if outcome.busy:
        grade.apply_async((attempt_id,), countdown=BUSY_S)
    elif outcome.again_s is not None and outcome.again_s < 5:
        grade.apply_async((attempt_id,), countdown=outcome.again_s)


def ring_on_commit(attempt_id: UUID) -> None:
    """Have an attempt judged once the present transaction is through."""
    transaction.on_commit(partial(grade.delay, str(attempt_id)))
