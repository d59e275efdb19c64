"""The machinery of one step: a lease, a backend, patience, and writes that change nothing once overtaken."""

import logging
import time
from collections.abc import Callable
from typing import Any

from django.utils import timezone

from sandboxes import leases, provisioning, retries
from sandboxes.backends.base import BackendError, Observation, Phase
from sandboxes.lifecycle import OUTGROWN, State
from sandboxes.models import Sandbox

logger = logging.getLogger(__name__)

STEP_S = 20.0
# While something is about to happen a step waits for it here, rather than paying for another ring.
PATIENCE_S = 1.0
POLL_S = 0.02
START_DEADLINE_S = 150.0
SUSPEND_DEADLINE_S = 60.0
DELETE_DEADLINE_S = 120.0
SLOWEST_RETRY_S = 5.0

_CAN_FAIL = frozenset({State.PROVISIONING, State.BINDING, State.SUSPENDING, State.RESUMING})
_ON_ITS_WAY_OUT = frozenset({State.DELETING, State.QUARANTINED})


class Settled(Exception):
    """Nothing more to do in this state. A handler ends by raising this, `Later`, or by having moved."""


class Later(Exception):
    """The rest is for another ring, `seconds` from now."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds


class Step:
    """One step of one sandbox under one lease."""

    def __init__(self, sandbox: Sandbox, lease: leases.Lease) -> None:
        self.sandbox = sandbox
        self.lease = lease
        self.backend = provisioning.backend_for(sandbox)
        self.ends = time.monotonic() + STEP_S
        self.patience = time.monotonic() + PATIENCE_S

    # -- running -------------------------------------------------------------------------------------------

    def run(self, handlers: "Handlers") -> float | None:
        """Handle state after state; return the seconds until the next ring, None for none."""
        while time.monotonic() < self.ends:
            handler = handlers.get(self.sandbox.now)
            if handler is None:
                return None
            try:
                self._guarded(handler)
            except Settled:
                return None
            except Later as later:
                return later.seconds
        return 0.0

    def _guarded(self, handler: "Handler") -> None:
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
            raise Settled
        if error.retryable and not overdue:
            self.note(failures=self.sandbox.failures + 1)
            raise Later(min(0.25 * 2**self.sandbox.failures, SLOWEST_RETRY_S))
        self.fail("backend_refused", error.sentence, retryable=error.retryable)

    def _cannot_remove(self, error: BackendError) -> None:
        """Say what is in the way and go on trying; after two minutes, set it aside for the sweep."""
        if self.sandbox.now is State.DELETING and self.age_s() > DELETE_DEADLINE_S:
            self.move(State.QUARANTINED, detail=error.sentence)
            raise Settled
        self.note(detail=error.sentence[:300])
        if self.sandbox.now is State.QUARANTINED:
            raise Settled
        raise Later(SLOWEST_RETRY_S)

    # -- asking the backend --------------------------------------------------------------------------------

    def ask(self, call: Callable[..., Observation], *args: object) -> Observation:
        """Call the backend, under a lease that is good for the length of a call."""
        leases.renew(self.lease)
        return call(*args)

    def hold(self) -> None:
        """Begin a whole lease, for a call that may take most of one (`prove`, `in_use`)."""
        leases.renew(self.lease, for_s=leases.LEASE_S)

    def poll(
        self, seen: Observation, until: Callable[[Observation], bool], call: Callable[..., Observation]
    ) -> Observation:
        """Ask until the answer is the one hoped for, while patience lasts and nobody decides otherwise."""
        checked = time.monotonic()
        while not until(seen) and self.is_patient():
            time.sleep(POLL_S)
            if time.monotonic() - checked > 5 * POLL_S:
                self.stop_if_overtaken()
                checked = time.monotonic()
            seen = self.ask(call, self.sandbox.hex)
            self.follow_stage(seen)
        return seen

    def is_patient(self) -> bool:
        """Whether a step may go on waiting for something that is about to happen."""
        return time.monotonic() < self.patience

    def stop_if_overtaken(self) -> None:
        """Put the step down as soon as a person has decided something else."""
        latest = Sandbox.objects.filter(pk=self.sandbox.pk).values_list("generation", flat=True).first()
        if latest != self.sandbox.generation:
            raise Later(0.0)

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
            raise Later(0.0)

    def note(self, **fields: Any) -> None:
        self.must(self.sandbox.note(token=self.lease.token, **fields))

    def move(self, new: State, *, detail: str = "", **fields: Any) -> None:
        self.must(
            self.sandbox.move_to(new, actor="worker", token=self.lease.token, detail=detail[:300], **fields)
        )
        logger.info("sandbox.moved", extra={"sandbox": self.sandbox.hex, "to": new})

    def fail(self, cause: str, sentence: str, *, retryable: bool) -> None:
        """Give up for now, with what the student reads; retryable failures are tried again by the sweep."""
        self.move(
            State.FAILED,
            detail=sentence,
            failure_cause=cause[:60],
            failure_sentence=sentence[:300],
            failure_retryable=retryable,
            retry_at=retries.next_try(self.sandbox, retryable=retryable),
        )

    # -- time ----------------------------------------------------------------------------------------------

    def age_s(self) -> float:
        """Seconds in the present state."""
        return (timezone.now() - self.sandbox.state_since).total_seconds()

    def stage_age_s(self) -> float:
        """Seconds in the present stage."""
        return (timezone.now() - self.sandbox.stage_since).total_seconds()


Handler = Callable[[Step], None]
Handlers = dict[State, Handler]


def _patience_with(state: State) -> float:
    """Seconds for which a backend may be out of reach before a state gives up."""
    return SUSPEND_DEADLINE_S if state is State.SUSPENDING else START_DEADLINE_S


def is_up(seen: Observation) -> bool:
    return seen.phase is Phase.RUNNING and seen.endpoint is not None


def is_still(seen: Observation) -> bool:
    return seen.phase in {Phase.STOPPED, Phase.ABSENT}


def is_gone(seen: Observation) -> bool:
    return seen.phase is Phase.ABSENT


def is_full(seen: Observation) -> bool:
    """Whether it outgrew its room: then it is not started again, for each start gives it seconds to write."""
    return seen.cause in OUTGROWN


def is_lost(step: Step) -> None:
    """Never make an empty Kafka in the place of one that held a student's records without saying so."""
    sentence = "The data of your sandbox is not there any more. Start over to get a new one."
    step.fail("data_lost", sentence, retryable=False)
