"""What is looked after while a sandbox is up: it is repaired when it breaks, and frozen when it is idle."""

from django.utils import timezone

from sandboxes import faults, freezing, provisioning
from sandboxes.backends.base import Phase
from sandboxes.lifecycle import State
from sandboxes.step import Handlers, Later, Settled, Step, is_full, is_lost, is_up

REPAIR_DEADLINE_S = 90.0


def ready(step: Step) -> None:
    if faults.broker_is_down_on_purpose(step.sandbox):  # it may still be on its way down
        return step.move(State.DEGRADED, detail=faults.DOWN_ON_PURPOSE)
    seen = step.ask(step.backend.observe, step.sandbox.hex)
    if not is_up(seen):
        return step.move(
            State.DEGRADED,
            detail=seen.detail or "Your broker does not answer.",
            cause=seen.cause or "broker_down",
        )
    if seen.frozen and not step.sandbox.frozen:
        step.ask(step.backend.thaw, step.sandbox.hex)
    elif step.sandbox.frozen and not seen.frozen:
        step.note(frozen=False, needed_at=timezone.now())
    elif not step.sandbox.frozen:
        freezing.freeze_if_idle(step)
    raise Settled


def degraded(step: Step) -> None:
    """Repair it, unless the failure deck keeps the broker down on purpose."""
    seen = step.ask(step.backend.observe, step.sandbox.hex)
    if seen.phase is Phase.ABSENT:
        return is_lost(step)
    if faults.broker_is_down_on_purpose(step.sandbox):
        raise Settled
    if is_full(seen):
        return step.fail(seen.cause, seen.detail, retryable=False)
    if not is_up(seen):
        seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
        seen = step.poll(seen, is_up, step.backend.observe)
    if is_up(seen):
        return step.move(State.READY, needed_at=timezone.now())
    overdue = step.age_s() > REPAIR_DEADLINE_S
    if overdue and not faults.broker_was_down_on_purpose(step.sandbox, within_s=REPAIR_DEADLINE_S):
        sentence = seen.detail or "Your broker stopped and could not be started again. Your data is kept."
        return step.fail(seen.cause or "broker_down", sentence, retryable=True)
    raise Later(0.25 if step.age_s() < 10 else 2.0)


HANDLERS: Handlers = {State.READY: ready, State.DEGRADED: degraded}
