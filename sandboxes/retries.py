"""Trying again what failed: by a person's wish, and by itself, with growing pauses and a limit."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox

# After the last of these a person has to press Start again.
PAUSES = (timedelta(seconds=5), timedelta(seconds=20), timedelta(seconds=60))

NO_FAILURE: dict[str, Any] = {
    "failure_cause": "",
    "failure_sentence": "",
    "failure_retryable": False,
    "retry_at": None,
}


def next_try(sandbox: Sandbox, *, retryable: bool) -> datetime | None:
    """When a sandbox that fails now is tried again by itself; None when it is not."""
    if not retryable or sandbox.owner_id is None or sandbox.retries >= len(PAUSES):
        return None
    return timezone.now() + PAUSES[sandbox.retries]


def try_again(sandbox: Sandbox, *, actor: str, by: User | None = None, retries: int = 0) -> bool:
    """Wake what holds a student's data, queue what never became anybody's; False when it moved meanwhile."""
    new = State.QUEUED if sandbox.handed_over_at is None else State.RESUMING
    fresh: dict[str, Any] = {"queued_at": timezone.now(), "begun_at": None, "retries": retries}
    return sandbox.move_to(new, actor=actor, by=by, wish=True, **fresh, **NO_FAILURE)


def try_due() -> Iterator[Sandbox]:
    """Try everything again whose pause is over, or longer than any is as the clock went back; what was."""
    now = timezone.now()
    due = Q(retry_at__lte=now) | Q(retry_at__gt=now + 2 * PAUSES[-1])
    for sandbox in Sandbox.objects.filter(due, state=State.FAILED):
        if try_again(sandbox, actor="sweep", retries=sandbox.retries + 1):
            yield sandbox
