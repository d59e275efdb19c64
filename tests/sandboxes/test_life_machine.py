"""Start, Stop, Delete, Start over, crashes, lost doorbells and sweeps in any order, against a model.

Hypothesis looks for a sequence that breaks an invariant and shrinks it; a failure prints the steps and the
seed to see it again (--hypothesis-seed).
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from accounts.models import User
from sandboxes import provisioning, reconcile, services, sweep
from sandboxes.backends.base import Backend, BackendError, Fault, Observation
from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from tests.sandboxes import doubles, invariants
from tests.sandboxes.driving import settle, sweep_and_settle


class WorkerDied(BaseException):
    """Stands for kill -9: nothing of ours may catch it, so nothing is tidied up."""


class DyingBackend:
    """Raises WorkerDied at the call that was chosen, before or after making it."""

    def __init__(self, inner: Backend) -> None:
        self._inner, self._left, self._after = inner, -1, False

    def die_in(self, calls: int, *, after: bool) -> None:
        self._left, self._after = calls, after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._inner, name)
        return call if name == "workspace" or self._left < 0 else self._watched(call)

    def _watched(self, call: Any) -> Any:
        def watched(*args: object) -> Observation:
            self._left -= 1
            if self._left == 0 and not self._after:
                raise WorkerDied
            answer: Observation = call(*args)
            if self._left == 0:
                raise WorkerDied
            return answer

        return watched


class Life(RuleBasedStateMachine):
    """One student. The model is what they last asked for: "none", "up" or "asleep"."""

    wish = "none"

    @initialize()
    def begin(self) -> None:
        Sandbox.objects.all().delete()
        doubles.forget_everything()
        self.user = User.objects.get_or_create(username="ada")[0]
        self.wish = "none"

    @property
    def sandbox(self) -> Sandbox | None:
        return Sandbox.objects.filter(owner=self.user, wanted="present").first()

    # -- what the student does: every doorbell may be lost ------------------------------------------------

    @rule()
    def press_start(self) -> None:
        before = self.sandbox
        services.request_sandbox(self.user)
        # Start while it is falling asleep is answered by the panel ("going to sleep"), not by a wake.
        if before is None or before.now is not State.SUSPENDING:
            self.wish = "up"

    @precondition(lambda self: self.sandbox is not None)
    @rule()
    def press_stop(self) -> None:
        sandbox = self.sandbox
        assert sandbox
        state = services.stop_sandbox(sandbox)
        self.wish = "none" if state is State.DELETING else "asleep"

    @precondition(lambda self: self.sandbox is not None)
    @rule()
    def press_delete(self) -> None:
        assert self.sandbox
        services.delete_sandbox(self.sandbox)
        self.wish = "none"

    @precondition(lambda self: self.sandbox is not None)
    @rule()
    def press_start_over(self) -> None:
        assert self.sandbox
        services.start_over(self.sandbox)
        self.wish = "up"

    @precondition(lambda self: self.sandbox is not None)
    @rule(kind=st.sampled_from(["broker_stop", "latency"]))
    def break_something(self, kind: Any) -> None:
        assert self.sandbox
        try:
            services.inject_fault(self.sandbox, Fault(kind=kind), seconds=0)
        except (NotPossibleNow, BackendError):
            return

    # -- what workers do ----------------------------------------------------------------------------------

    @rule()
    def ring_for_all(self) -> None:
        for sandbox_id in Sandbox.objects.values_list("pk", flat=True):
            reconcile.reconcile(sandbox_id)

    @rule()
    def sweep_only(self) -> None:
        sweep.sweep()

    @rule(calls=st.integers(1, 6), after=st.booleans())
    def a_worker_dies(self, calls: int, after: bool) -> None:
        """Its lease stays taken, as a killed worker's does, and is made to run out."""
        inner = provisioning.backend_for(None)
        dying = DyingBackend(inner)
        dying.die_in(calls, after=after)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(provisioning, "backend_for", lambda _: dying)
            for sandbox_id in Sandbox.objects.values_list("pk", flat=True):
                try:
                    reconcile.reconcile(sandbox_id)
                except WorkerDied:
                    break
        Sandbox.objects.update(lease_until=None)

    @rule()
    def the_broker_dies(self) -> None:
        with doubles.shared.changing() as entries:
            for entry in entries.values():
                entry["started_at"] = None

    # -- what must hold -----------------------------------------------------------------------------------

    @invariant()
    def every_row_is_right(self) -> None:
        invariants.check(settled=False)

    @rule()
    def when_the_dust_has_settled_the_student_has_what_they_asked_for(self) -> None:
        sweep_and_settle()
        settle(*Sandbox.objects.exclude(state=State.DELETED))
        sweep_and_settle()
        invariants.check()
        sandbox = self.sandbox
        assert {"none": None, "up": State.READY, "asleep": State.SUSPENDED}[self.wish] == (
            sandbox.now if sandbox else None
        )

    def teardown(self) -> None:
        self.when_the_dust_has_settled_the_student_has_what_they_asked_for()


@pytest.mark.django_db
def test_no_order_of_events_breaks_a_life() -> None:
    quick = settings(
        max_examples=40,
        stateful_step_count=20,
        deadline=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(Life, settings=quick)
