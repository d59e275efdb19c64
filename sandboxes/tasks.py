"""Celery's thin way in. A task is a doorbell: it carries an id, may run twice, late or never, and waits for
nothing; the rows are the truth and the sweep rings again.
"""

import logging
from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID

from celery import shared_task
from django.db import transaction
from kombu.exceptions import OperationalError
from structlog.contextvars import bound_contextvars

from sandboxes import faults, metrics, reconcile
from sandboxes import sweep as sweeping
from sandboxes.models import FaultRecord

logger = logging.getLogger(__name__)


@shared_task(name="sandboxes.tasks.ring", ignore_result=True)
def ring(sandbox_id: str) -> str:
    """Look at one sandbox: take one step, and ring for what that step leads to."""
    with bound_contextvars(sandbox=sandbox_id):
        outcome = reconcile.reconcile(UUID(sandbox_id))
    if outcome.again is not None:
        doorbell(UUID(sandbox_id), after=outcome.again)
    for other in outcome.also:
        doorbell(other)
    return outcome.state.value if outcome.state else "busy"


@shared_task(name="sandboxes.tasks.sweep", ignore_result=True)
def sweep() -> int:
    """Look at everything that may need it; return how many were rung."""
    with metrics.SWEEP_SECONDS.time():
        ids = sweeping.sweep()
    for sandbox_id in ids:
        doorbell(sandbox_id)
    return len(ids)


@shared_task(name="sandboxes.tasks.end_fault", ignore_result=True)
def end_fault(fault_id: int) -> None:
    """Take one fault out; does nothing when that has been done, or its deadline was moved."""
    record = faults.due().filter(pk=fault_id).first()
    if record is not None and faults.undo(record):
        doorbell(record.sandbox_id)


def doorbell(sandbox_id: UUID, *, after: float = 0.0) -> None:
    """Ring for a sandbox, `after` seconds from now. Never raises: without Redis the sweep finds it later."""
    when: dict[str, Any] = {"countdown": after} if after else {}
    _send(partial(ring.apply_async, (sandbox_id.hex,), **when))


def doorbell_on_commit(sandbox_id: UUID) -> None:
    """Ring as soon as the present transaction is committed; at once when there is none."""
    transaction.on_commit(partial(doorbell, sandbox_id))


def set_alarm(record: FaultRecord, *, after: float) -> None:
    """Ring for the end of a fault; the sweep is the second alarm."""
    # A little late rather than a little early: an early one finds the deadline not yet reached.
    _send(partial(end_fault.apply_async, (record.pk,), countdown=after + 0.05))


def _send(send: Callable[..., Any]) -> None:
    try:
        send(retry=False)
    except (OperationalError, OSError) as error:
        logger.warning("doorbell.lost", extra={"why": str(error)})
