"""How a sandbox comes up: waits for room, starts, is kept warm or handed over; and how one wakes."""

import logging
import time
from typing import Any

from django.utils import timezone

from sandboxes import expiry, placement, pool, provisioning
from sandboxes.backends.base import Observation, Phase
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from sandboxes.step import (
    START_DEADLINE_S,
    Handlers,
    Later,
    Settled,
    Step,
    is_full,
    is_gone,
    is_lost,
    is_up,
)

logger = logging.getLogger(__name__)

# How long a start may show no progress in one stage; the whole of it may take START_DEADLINE_S.
STAGE_DEADLINES_S = {"namespaces": 30.0, "kafka": 60.0, "probe": 45.0}
STAGE_DEADLINE_S = 45.0
MAX_FAILURES = 3
# A warm sandbox answers in milliseconds; one that does not within this is taken for dead.
WAKE_S = 2.0
_GONE = {Phase.FAILED, Phase.ABSENT, Phase.STOPPED}


def queued(step: Step) -> None:
    if step.sandbox.cluster_id is None:
        step.note(cluster=placement.choose_cluster())
    if placement.predecessors(step.sandbox).exists():
        raise Later(0.25)
    if not placement.admit(step.sandbox, token=step.lease.token):
        raise Settled


def provisioning_(step: Step) -> None:
    """Start what is missing, and look until Kafka itself has answered."""
    seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
    step.follow_stage(seen)
    seen = step.poll(seen, _up_or_gone, step.backend.observe)
    if not is_up(seen):
        return _not_up_yet(step, seen, "start")
    if seen.frozen:  # a worker died on the way to warm, or a student came just then
        step.ask(step.backend.thaw, step.sandbox.hex)
    step.end_stages()
    return _keep_warm(step) if step.sandbox.owner_id is None else step.move(State.BINDING)


def _keep_warm(step: Step) -> None:
    """For the pool: a record written and read back, then frozen until somebody comes."""
    step.hold()
    step.backend.prove(step.sandbox.hex)
    step.ask(step.backend.freeze, step.sandbox.hex)
    step.move(State.WARM, frozen=True)
    raise Settled


def binding(step: Step) -> None:
    """Hand a running sandbox over to its student: from here on the idle clock runs."""
    if placement.predecessors(step.sandbox).exists():
        raise Later(0.05)
    if step.sandbox.frozen:
        return _hand_over_warm(step)
    seen = step.ask(step.backend.observe, step.sandbox.hex)
    if not is_up(seen):
        seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
    if not is_up(seen):
        return _not_up_yet(step, seen, "start")
    return _hand_over(step)


def _hand_over(step: Step, detail: str = "") -> None:
    now = timezone.now()
    step.move(State.READY, detail=detail, handed_over_at=now, **_fresh_use(step.sandbox, "start"))


def _hand_over_warm(step: Step) -> None:
    """Thaw it and let it answer once; one that does not is replaced by a start from nothing."""
    if _wakes(step):
        return _hand_over(step, pool.HAND_OVER)
    logger.warning("pool.dead", extra={"sandbox": step.sandbox.hex})
    seen = step.ask(step.backend.destroy, step.sandbox.hex)
    if not is_gone(step.poll(seen, is_gone, step.backend.destroy)):
        raise Later(0.1)
    return step.move(State.QUEUED, detail="The warm one did not answer, so a new one is started.")


def _wakes(step: Step) -> bool:
    until = time.monotonic() + WAKE_S
    seen = step.ask(step.backend.thaw, step.sandbox.hex)
    while is_up(seen) and time.monotonic() < until:
        if step.backend.answers(step.sandbox.hex):
            return True
        seen = step.ask(step.backend.observe, step.sandbox.hex)
    return False


def resuming(step: Step) -> None:
    if not placement.admit_wake(step.sandbox, token=step.lease.token):
        raise Settled
    seen = step.ask(step.backend.resume, step.sandbox.hex)
    if seen.phase in {Phase.FAILED, Phase.STOPPED}:
        seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
    step.follow_stage(seen)
    seen = step.poll(seen, _up_or_gone, step.backend.observe)
    if seen.phase is Phase.ABSENT:
        return is_lost(step)
    if is_up(seen):
        return step.move(State.READY, **_fresh_use(step.sandbox, "wake"))
    return _not_up_yet(step, seen, "wake")


def _up_or_gone(seen: Observation) -> bool:
    return is_up(seen) or seen.phase in _GONE


def _not_up_yet(step: Step, seen: Observation, what: str) -> None:
    """Decide whether to go on waiting for a start or wake, to try again, or to give up."""
    if is_full(seen):
        step.fail(seen.cause, seen.detail, retryable=False)
        return
    if seen.phase is Phase.FAILED:
        step.note(failures=step.sandbox.failures + 1)
        if step.sandbox.failures >= MAX_FAILURES:
            sentence = seen.detail or f"Your Kafka did not {what} after {MAX_FAILURES} tries. Try again."
            step.fail(seen.cause or f"{what}_failed", sentence, retryable=True)
            return
        raise Later(0.25 * 2**step.sandbox.failures)
    limit_s = STAGE_DEADLINES_S.get(step.sandbox.stage, STAGE_DEADLINE_S)
    if step.stage_age_s() > limit_s or step.age_s() > START_DEADLINE_S:
        stage = step.sandbox.stage or "first"
        sentence = seen.detail or f"Your Kafka did not {what} in time (stage {stage}). Try again."
        step.fail(f"{step.sandbox.stage or what}_timeout", sentence, retryable=True)
        return
    raise Later(0.0 if step.age_s() < 20 else 1.0)


def _fresh_use(sandbox: Sandbox, source: str) -> dict[str, Any]:
    """The columns that start the idle clock."""
    now = timezone.now()
    return {
        "last_activity_at": now,
        "last_activity_source": source,
        "needed_at": now,
        "expires_at": expiry.expiry_after(sandbox, now),
        "retries": 0,
    }


HANDLERS: Handlers = {
    State.QUEUED: queued,
    State.PROVISIONING: provisioning_,
    State.BINDING: binding,
    State.RESUMING: resuming,
}
