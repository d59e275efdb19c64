"""How a sandbox goes down: put to sleep with its data, cleared away after a failure, or removed."""

from sandboxes import faults
from sandboxes.backends.base import Phase
from sandboxes.lifecycle import State
from sandboxes.step import (
    DELETE_DEADLINE_S,
    SUSPEND_DEADLINE_S,
    Handlers,
    Later,
    Settled,
    Step,
    is_gone,
    is_lost,
    is_still,
)


def suspending(step: Step) -> None:
    """End the faults, then stop everything cleanly and keep the data."""
    _end_faults(step)
    seen = step.ask(step.backend.suspend, step.sandbox.hex)
    seen = step.poll(seen, is_still, step.backend.suspend)
    if seen.phase is Phase.ABSENT:
        return is_lost(step)
    if seen.phase is Phase.STOPPED:
        return step.move(State.SUSPENDED, expires_at=None, held_until=None)
    if step.age_s() > SUSPEND_DEADLINE_S:
        sentence = "Your sandbox did not stop in time. Your data is kept; press Start again."
        return step.fail(seen.cause or "suspend_timeout", sentence, retryable=True)
    raise Later(0.1)


def failed(step: Step) -> None:
    """A start that never became anybody's leaves nothing behind; what a student had is kept, and stopped.

    A broker that lives and does not answer gives its memory back so, and another try starts a new one.
    """
    if step.sandbox.handed_over_at is None:
        seen = step.ask(step.backend.destroy, step.sandbox.hex)
        step.poll(seen, is_gone, step.backend.destroy)
    else:
        faults.close(step.sandbox, faults.active(step.sandbox))
        step.ask(step.backend.suspend, step.sandbox.hex)
    raise Settled


def deleting(step: Step) -> None:
    faults.close(step.sandbox, faults.active(step.sandbox))
    seen = step.ask(step.backend.destroy, step.sandbox.hex)
    seen = step.poll(seen, is_gone, step.backend.destroy)
    if is_gone(seen):
        return step.move(State.DELETED)
    if step.age_s() > DELETE_DEADLINE_S and step.sandbox.now is State.DELETING:
        return step.move(State.QUARANTINED, detail=seen.detail or "It is not gone after two minutes.")
    if step.sandbox.now is State.QUARANTINED:
        raise Settled
    raise Later(0.1 if step.age_s() < 10 else 2.0)


def _end_faults(step: Step) -> None:
    """Take relay faults out; a broker that is down on purpose is about to stop anyway."""
    for record in faults.active(step.sandbox).exclude(kind__in=faults.BROKER_KINDS):
        faults.undo(record)
    faults.close(step.sandbox, faults.active(step.sandbox))


HANDLERS: Handlers = {
    State.SUSPENDING: suspending,
    State.FAILED: failed,
    State.DELETING: deleting,
    State.QUARANTINED: deleting,
}
