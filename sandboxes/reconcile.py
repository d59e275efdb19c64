"""Take the next step of one sandbox, from wherever it is now towards what was decided.

Safe to run twice, late, at the same time, or to be killed at any point: it works under a lease, asks the
backend only for things that are idempotent, and writes by compare-and-set with its fencing token. A step
ends within 20 s; what is left is for the next ring, at the latest by the sweep. No call to a backend is
made inside a transaction.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.utils import timezone

from sandboxes import expiry, faults, leases, placement, provisioning
from sandboxes.backends.base import BackendError, Observation, Phase
from sandboxes.errors import LeaseLost
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox

logger = logging.getLogger(__name__)

STEP_S = 20.0
# While something is about to happen a step waits for it here, rather than paying for another ring.
PATIENCE_S = 1.0
POLL_S = 0.02
# How long a start may show no progress in one stage, and a whole start or wake may take.
STAGE_DEADLINES_S = {"namespaces": 30.0, "kafka": 60.0, "probe": 45.0}
STAGE_DEADLINE_S = 45.0
START_DEADLINE_S = 150.0
REPAIR_DEADLINE_S = 90.0
SUSPEND_DEADLINE_S = 60.0
DELETE_DEADLINE_S = 120.0
MAX_FAILURES = 3
SLOWEST_RETRY_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a ring led to.

    state: where the sandbox is now; None when there is no such sandbox.
    again: ring again after so many seconds; None when there is nothing to do until something changes.
    also:  other sandboxes whose turn has come.
    """

    state: State | None = None
    again: float | None = None
    also: tuple[UUID, ...] = ()


class _Settled(Exception):
    """Nothing more to do in this state. A handler ends by raising this, `_Later`, or by having moved."""


class _Later(Exception):
    """The rest is for another ring, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


def reconcile(sandbox_id: UUID) -> Outcome:
    """Run one step. Returns at once while another worker holds the lease: it looks again when it is done."""
    lease = leases.take(sandbox_id)
    if lease is None:
        return Outcome()
    sandbox = _load(sandbox_id)
    began = sandbox.state
    try:
        again = _Step(sandbox, lease).run()
    except LeaseLost:
        logger.info("sandbox.lease_lost", extra={"sandbox": sandbox.hex})
        return Outcome()
    finally:
        leases.release(lease)
    # A wish that came while we held the lease has rung in vain; it was committed before it rang.
    latest = Sandbox.objects.filter(pk=sandbox_id).values_list("state", "generation").first()
    if latest is not None and latest != (sandbox.state, sandbox.generation):
        again = 0.0
    also = _whose_turn(sandbox) if sandbox.state != began else ()
    return Outcome(state=sandbox.now, again=again, also=also)


def _load(sandbox_id: UUID) -> Sandbox:
    return Sandbox.objects.select_related("cluster").get(pk=sandbox_id)


def _whose_turn(sandbox: Sandbox) -> tuple[UUID, ...]:
    return tuple(pk for pk in placement.next_in_line(sandbox.cluster_id) if pk != sandbox.pk)


class _Step:
    """One step of one sandbox under one lease."""

    def __init__(self, sandbox: Sandbox, lease: leases.Lease) -> None:
        self.sandbox = sandbox
        self.lease = lease
        self.backend = provisioning.backend_for(sandbox)
        self.ends = time.monotonic() + STEP_S
        self.patience = time.monotonic() + PATIENCE_S

    # -- running -------------------------------------------------------------------------------------------

    def run(self) -> float | None:
        """Handle state after state; return the seconds until the next ring, None for none."""
        while time.monotonic() < self.ends:
            handler = HANDLERS.get(self.sandbox.now)
            if handler is None:
                return None
            try:
                self._guarded(handler)
            except _Settled:
                return None
            except _Later as later:
                return later.seconds
        return 0.0

    def _guarded(self, handler: Callable[["_Step"], None]) -> None:
        """Run a handler; what the backend refuses becomes a retry or a failure with its sentence."""
        try:
            handler(self)
        except BackendError as error:
            self._refused(error)

    def _refused(self, error: BackendError) -> None:
        state, overdue = self.sandbox.now, self.age_s() > _patience_with(self.sandbox.now)
        logger.warning(
            "sandbox.backend_refused",
            extra={"sandbox": self.sandbox.hex, "state": state, "why": error.sentence},
        )
        if state in _ON_ITS_WAY_OUT:
            self._cannot_remove(error)
        if state not in _CAN_FAIL and (error.retryable or state is not State.DEGRADED):
            # It is up, or was never started: our not reaching the backend is no fault of the sandbox.
            self.note(detail=error.sentence[:300])
            raise _Settled
        if error.retryable and not overdue:
            self.note(failures=self.sandbox.failures + 1)
            raise _Later(min(0.25 * 2**self.sandbox.failures, SLOWEST_RETRY_S))
        self.fail("backend_refused", error.sentence, retryable=error.retryable)

    def _cannot_remove(self, error: BackendError) -> None:
        """Say what is in the way and go on trying; after two minutes, set it aside for the sweep."""
        if self.sandbox.now is State.DELETING and self.age_s() > DELETE_DEADLINE_S:
            self.move(State.QUARANTINED, detail=error.sentence)
            raise _Settled
        self.note(detail=error.sentence[:300])
        if self.sandbox.now is State.QUARANTINED:
            raise _Settled
        raise _Later(SLOWEST_RETRY_S)

    # -- asking the backend --------------------------------------------------------------------------------

    def ask(self, call: Callable[..., Observation], *args: object) -> Observation:
        """Call the backend, under a lease that is good for the length of a call."""
        leases.renew(self.lease)
        return call(*args)

    def poll(
        self, seen: Observation, until: Callable[[Observation], bool], call: Callable[..., Observation]
    ) -> Observation:
        """Ask until the answer is the one hoped for, while patience lasts and nobody decides otherwise."""
        checked = time.monotonic()
        while not until(seen) and time.monotonic() < self.patience:
            time.sleep(POLL_S)
            if time.monotonic() - checked > 5 * POLL_S:
                self.stop_if_overtaken()
                checked = time.monotonic()
            seen = self.ask(call, self.sandbox.hex)
            self.follow_stage(seen)
        return seen

    def stop_if_overtaken(self) -> None:
        """Put the step down as soon as a person has decided something else."""
        latest = Sandbox.objects.filter(pk=self.sandbox.pk).values_list("generation", flat=True).first()
        if latest != self.sandbox.generation:
            raise _Later(0.0)

    def follow_stage(self, seen: Observation) -> None:
        """Write down, once, that a start has reached another stage."""
        if seen.phase is Phase.STARTING and seen.stage and seen.stage != self.sandbox.stage:
            self.must(self.sandbox.enter_stage(seen.stage, token=self.lease.token))

    def end_stages(self) -> None:
        """Write down that the last stage is over, so that it can be measured too."""
        if self.sandbox.stage:
            self.must(self.sandbox.enter_stage("", token=self.lease.token))

    # -- writing -------------------------------------------------------------------------------------------

    def must(self, written: bool) -> None:
        """End the step when a write changed nothing: somebody else decides now."""
        if not written:
            raise _Later(0.0)

    def note(self, **fields: Any) -> None:
        self.must(self.sandbox.note(token=self.lease.token, **fields))

    def move(self, new: State, *, detail: str = "", **fields: Any) -> None:
        self.must(
            self.sandbox.move_to(new, actor="worker", token=self.lease.token, detail=detail[:300], **fields)
        )
        logger.info("sandbox.moved", extra={"sandbox": self.sandbox.hex, "to": new})

    def fail(self, cause: str, sentence: str, *, retryable: bool) -> None:
        self.move(
            State.FAILED,
            detail=sentence,
            failure_cause=cause[:60],
            failure_sentence=sentence[:300],
            failure_retryable=retryable,
        )

    # -- time ----------------------------------------------------------------------------------------------

    def age_s(self) -> float:
        """Seconds in the present state."""
        return (timezone.now() - self.sandbox.state_since).total_seconds()

    def stage_age_s(self) -> float:
        """Seconds in the present stage."""
        return (timezone.now() - self.sandbox.stage_since).total_seconds()


# -- one handler per state ---------------------------------------------------------------------------------


def _queued(step: _Step) -> None:
    if step.sandbox.cluster_id is None:
        step.note(cluster=placement.choose_cluster())
    if placement.predecessors(step.sandbox).exists():
        raise _Later(0.25)
    if not placement.admit(step.sandbox, token=step.lease.token):
        raise _Settled


def _provisioning(step: _Step) -> None:
    """Start what is missing, and look until Kafka itself has answered."""
    seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
    step.follow_stage(seen)
    seen = step.poll(seen, _up_or_failed, step.backend.observe)
    if _is_up(seen):
        step.end_stages()
        return step.move(State.WARM if step.sandbox.owner_id is None else State.BINDING)
    return _not_up_yet(step, seen, "start")


def _binding(step: _Step) -> None:
    """Hand a running sandbox over to its student: from here on the idle clock runs."""
    seen = step.ask(step.backend.observe, step.sandbox.hex)
    if not _is_up(seen):
        seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
    if not _is_up(seen):
        return _not_up_yet(step, seen, "start")
    return step.move(State.READY, handed_over_at=timezone.now(), **_fresh_use(step.sandbox, "start"))


def _ready(step: _Step) -> None:
    if faults.broker_is_down_on_purpose(step.sandbox):  # it may still be on its way down
        return step.move(State.DEGRADED, detail="Your broker was stopped on purpose.")
    seen = step.ask(step.backend.observe, step.sandbox.hex)
    if _is_up(seen) or seen.frozen:
        raise _Settled
    return step.move(State.DEGRADED, detail=seen.detail or "Your broker does not answer.")


def _degraded(step: _Step) -> None:
    """Repair it, unless the failure deck keeps the broker down on purpose."""
    seen = step.ask(step.backend.observe, step.sandbox.hex)
    if seen.phase is Phase.ABSENT:
        return _lost(step)
    if faults.broker_is_down_on_purpose(step.sandbox):
        raise _Settled
    if not _is_up(seen):
        seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
        seen = step.poll(seen, _is_up, step.backend.observe)
    if _is_up(seen):
        return step.move(State.READY)
    if step.age_s() > REPAIR_DEADLINE_S:
        sentence = seen.detail or "Your broker stopped and could not be started again. Your data is kept."
        return step.fail(seen.cause or "broker_down", sentence, retryable=True)
    raise _Later(0.25 if step.age_s() < 10 else 2.0)


def _suspending(step: _Step) -> None:
    """End the faults, then stop everything cleanly and keep the data."""
    _end_faults(step)
    seen = step.ask(step.backend.suspend, step.sandbox.hex)
    seen = step.poll(seen, _is_still, step.backend.suspend)
    if seen.phase is Phase.ABSENT:
        return _lost(step)
    if seen.phase is Phase.STOPPED:
        return step.move(State.SUSPENDED, expires_at=None)
    if step.age_s() > SUSPEND_DEADLINE_S:
        sentence = "Your sandbox did not stop in time. Your data is kept; press Start again."
        return step.fail(seen.cause or "suspend_timeout", sentence, retryable=True)
    raise _Later(0.1)


def _resuming(step: _Step) -> None:
    if not placement.admit_wake(step.sandbox, token=step.lease.token):
        raise _Settled
    seen = step.ask(step.backend.resume, step.sandbox.hex)
    if seen.phase in {Phase.FAILED, Phase.STOPPED}:
        seen = step.ask(step.backend.ensure, provisioning.spec_of(step.sandbox))
    step.follow_stage(seen)
    seen = step.poll(seen, _up_or_failed, step.backend.observe)
    if seen.phase is Phase.ABSENT:
        return _lost(step)
    if _is_up(seen):
        return step.move(State.READY, **_fresh_use(step.sandbox, "wake"))
    return _not_up_yet(step, seen, "wake")


def _failed(step: _Step) -> None:
    """A start that never became anybody's leaves nothing behind; what a student had is kept."""
    if step.sandbox.handed_over_at is None:
        seen = step.ask(step.backend.destroy, step.sandbox.hex)
        step.poll(seen, _is_gone, step.backend.destroy)
    raise _Settled


def _deleting(step: _Step) -> None:
    faults.close(step.sandbox, faults.active(step.sandbox))
    seen = step.ask(step.backend.destroy, step.sandbox.hex)
    seen = step.poll(seen, _is_gone, step.backend.destroy)
    if _is_gone(seen):
        return step.move(State.DELETED)
    if step.age_s() > DELETE_DEADLINE_S and step.sandbox.now is State.DELETING:
        return step.move(State.QUARANTINED, detail=seen.detail or "It is not gone after two minutes.")
    if step.sandbox.now is State.QUARANTINED:
        raise _Settled
    raise _Later(0.1 if step.age_s() < 10 else 2.0)


HANDLERS: dict[State, Callable[[_Step], None]] = {
    State.QUEUED: _queued,
    State.PROVISIONING: _provisioning,
    State.BINDING: _binding,
    State.READY: _ready,
    State.DEGRADED: _degraded,
    State.SUSPENDING: _suspending,
    State.RESUMING: _resuming,
    State.FAILED: _failed,
    State.DELETING: _deleting,
    State.QUARANTINED: _deleting,
}

_CAN_FAIL = frozenset({State.PROVISIONING, State.BINDING, State.SUSPENDING, State.RESUMING})
_ON_ITS_WAY_OUT = frozenset({State.DELETING, State.QUARANTINED})


def _patience_with(state: State) -> float:
    """Seconds for which a backend may be out of reach before a state gives up."""
    return SUSPEND_DEADLINE_S if state is State.SUSPENDING else START_DEADLINE_S


def _is_up(seen: Observation) -> bool:
    return seen.phase is Phase.RUNNING and seen.endpoint is not None


def _up_or_failed(seen: Observation) -> bool:
    return _is_up(seen) or seen.phase in {Phase.FAILED, Phase.ABSENT, Phase.STOPPED}


def _is_still(seen: Observation) -> bool:
    return seen.phase in {Phase.STOPPED, Phase.ABSENT}


def _is_gone(seen: Observation) -> bool:
    return seen.phase is Phase.ABSENT


def _not_up_yet(step: _Step, seen: Observation, what: str) -> None:
    """Decide whether to go on waiting for a start or wake, to try again, or to give up."""
    if seen.phase is Phase.FAILED:
        step.note(failures=step.sandbox.failures + 1)
        if step.sandbox.failures >= MAX_FAILURES:
            sentence = seen.detail or f"Your Kafka did not {what} after {MAX_FAILURES} tries. Try again."
            step.fail(seen.cause or f"{what}_failed", sentence, retryable=True)
            return
        raise _Later(0.25 * 2**step.sandbox.failures)
    limit_s = STAGE_DEADLINES_S.get(step.sandbox.stage, STAGE_DEADLINE_S)
    if step.stage_age_s() > limit_s or step.age_s() > START_DEADLINE_S:
        stage = step.sandbox.stage or "first"
        sentence = seen.detail or f"Your Kafka did not {what} in time (stage {stage}). Try again."
        step.fail(f"{step.sandbox.stage or what}_timeout", sentence, retryable=True)
        return
    raise _Later(0.0 if step.age_s() < 20 else 1.0)


def _lost(step: _Step) -> None:
    """Never make an empty Kafka in the place of one that held a student's records without saying so."""
    sentence = "The data of your sandbox is not there any more. Start over to get a new one."
    step.fail("data_lost", sentence, retryable=False)


def _end_faults(step: _Step) -> None:
    """Take relay faults out; a broker that is down on purpose is about to stop anyway."""
    for record in faults.active(step.sandbox).exclude(kind__in=faults.BROKER_KINDS):
        faults.undo(record)
    faults.close(step.sandbox, faults.active(step.sandbox))


def _fresh_use(sandbox: Sandbox, source: str) -> dict[str, Any]:
    """The columns that start the idle clock."""
    now = timezone.now()
    return {
        "last_activity_at": now,
        "last_activity_source": source,
        "expires_at": expiry.expiry_after(sandbox, now),
    }
