"""Celery's thin way in: doorbells that say "look at this attempt"."""

from __future__ import annotations

import logging
import time
from functools import partial
from uuid import UUID

from celery import shared_task
from django.core.cache import cache
from django.db import transaction
from kombu.exceptions import OperationalError

from lessons import rounds

logger = logging.getLogger(__name__)

BUSY_S = 0.5
SOON_S = 5.0  # what is due later, the grader's safety poll will find


@shared_task(ignore_result=True, expires=30)
def grade(attempt_id: str) -> None:
    """Run one round; ring again when something is due soon or another worker was in the room."""
    outcome = rounds.run_round(UUID(attempt_id))
    if outcome.busy:
        ring_later(attempt_id, BUSY_S)
    elif outcome.again_s is not None and outcome.again_s < SOON_S:
        ring_later(attempt_id, outcome.again_s)


def ring_later(attempt_id: str, after_s: float) -> None:
    """Ring once more in so many seconds, unless a bell is set for about then or sooner.

    Without that, every doorbell of a busy attempt would begin a chain of its own.
    """
    due, name = time.time() + after_s, f"grade-alarm:{attempt_id}"
    pending = cache.get(name)
    if pending is not None and time.time() < pending <= due + 0.1:
        return
    cache.set(name, due, timeout=after_s + 1)
    ring(attempt_id, countdown=after_s)


def ring(attempt_id: str, *, countdown: float = 0) -> None:
    """Ask the workers to judge; a doorbell that is lost is rung again by the grader's safety poll."""
    try:
        grade.apply_async((attempt_id,), countdown=countdown, retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("grading.doorbell_lost", extra={"attempt": attempt_id, "why": str(error)})


def ring_on_commit(attempt_id: UUID) -> None:
    """Have an attempt judged once the present transaction is through."""
    transaction.on_commit(partial(ring, str(attempt_id)))
