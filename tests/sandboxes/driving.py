"""Play the part of Celery in a test: ring until nothing more is to be done."""

import time
from collections import deque
from uuid import UUID

from accounts.models import User
from sandboxes import reconcile, services, sweep
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox


def user(name: str) -> User:
    """Who has that name, made if need be."""
    return User.objects.get_or_create(username=name)[0]


def settle(*sandboxes: Sandbox, seconds: float = 60.0) -> None:
    """Ring for these, and for whatever that leads to, until all have settled; then read them again."""
    deadline = time.monotonic() + seconds
    bells: deque[UUID] = deque(sandbox.pk for sandbox in sandboxes)
    while bells:
        assert time.monotonic() < deadline, "it did not settle in time"
        sandbox_id = bells.popleft()
        outcome = reconcile.reconcile(sandbox_id)
        if outcome.again is not None:
            time.sleep(min(outcome.again, 0.05))
            bells.append(sandbox_id)
        bells.extend(other for other in outcome.also if other not in bells)
    for sandbox in sandboxes:
        sandbox.refresh_from_db()


def sweep_and_settle(*, seconds: float = 60.0) -> None:
    """One sweep and everything it rings for."""
    settle(*Sandbox.objects.filter(pk__in=sweep.sweep()), seconds=seconds)


def ready_sandbox(owner: User) -> Sandbox:
    """A sandbox that this user has and that is up."""
    sandbox = services.request_sandbox(owner)
    settle(sandbox)
    assert sandbox.now is State.READY
    return sandbox
