"""What must hold after every fault test (I1-I3, I7): rows among themselves, and what is really there.

Each check returns the invariants it proved, for the table of tests.faults.
"""

from itertools import pairwise
from typing import Any
from uuid import UUID

from django.utils import timezone

from sandboxes import provisioning, reconcile, sweep
from sandboxes.backends.base import Phase
from sandboxes.lifecycle import LEAVING, PASSING, State, may_move
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent

# In these something of the sandbox must be in its backend; in most others it may be.
_THERE = {State.READY, State.DEGRADED, State.SUSPENDED, State.WARM}
_NOT_THERE = {State.DELETED}


def check(*, settled: bool = True) -> tuple[str, ...]:
    """Raise AssertionError with what is wrong. settled: the dust has settled, so nothing is under way."""
    sandboxes = list(Sandbox.objects.select_related("cluster"))
    for sandbox in sandboxes:
        check_events(sandbox)
        check_row(sandbox)
        assert not (settled and sandbox.now in PASSING), f"{sandbox} is still {sandbox.state}"
    check_one_per_owner(sandboxes)
    if settled:
        check_backend(sandboxes)
        check_faults()
    return ("I1", "I2", "I3") if settled else ("I2",)


def check_idempotent(times: int = 3) -> tuple[str, ...]:
    """Looking again at what has settled changes nothing, however often (I7)."""
    # Nothing may be due by the clock meanwhile: in a long test the first become idle, and would be frozen.
    Sandbox.objects.filter(state=State.READY, frozen=False).update(needed_at=timezone.now())
    before = _decisions()
    for _ in range(times):
        sweep.sweep()
        for sandbox_id in Sandbox.objects.values_list("pk", flat=True):
            reconcile.reconcile(sandbox_id)
    assert _decisions() == before, "looking again changed something"
    return ("I7",)


def _decisions() -> tuple[list[Any], int]:
    rows = list(Sandbox.objects.order_by("pk").values_list("pk", "state", "generation", "owner", "frozen"))
    return rows, SandboxEvent.objects.count()


def check_row(sandbox: Sandbox) -> None:
    gone = sandbox.now in LEAVING
    assert (sandbox.wanted == "absent") is gone, f"{sandbox}: wanted {sandbox.wanted}"
    if sandbox.now is State.FAILED:
        assert sandbox.failure_sentence, f"{sandbox} failed without a sentence"
        assert sandbox.failure_cause, f"{sandbox} failed without a cause"
    if sandbox.owner_id and sandbox.now in {State.READY, State.DEGRADED, State.SUSPENDED}:
        assert sandbox.handed_over_at, f"{sandbox} was never handed over"


def check_events(sandbox: Sandbox) -> None:
    """The events tell the whole story: an unbroken path of legal moves that ends where the row is."""
    moves = list(SandboxEvent.objects.filter(sandbox=sandbox, kind=SandboxEvent.MOVE).order_by("pk"))
    assert moves, f"{sandbox} has no events"
    assert moves[-1].new == sandbox.state, f"{sandbox}: last event says {moves[-1].new}"
    for before, after in pairwise(moves):
        assert before.new == after.old, f"{sandbox}: {before} is followed by {after}"
        assert may_move(State(after.old), State(after.new)), f"{sandbox}: illegal {after}"
        assert before.generation <= after.generation, f"{sandbox}: generation went back at {after}"


def check_one_per_owner(sandboxes: list[Sandbox]) -> None:
    live = [sandbox.owner_id for sandbox in sandboxes if sandbox.wanted == "present" and sandbox.owner_id]
    assert len(live) == len(set(live)), "a student has two live sandboxes"


def check_backend(sandboxes: list[Sandbox]) -> None:
    """What is there is what the rows want: no orphan, no double, nothing lost."""
    seen = provisioning.backend_for(None).look()
    there = {UUID(name) for name in seen}
    wanted = {sandbox.pk for sandbox in sandboxes if sandbox.now in _THERE}
    allowed = {sandbox.pk for sandbox in sandboxes if sandbox.now not in _NOT_THERE}
    assert wanted <= there, f"missing: {wanted - there}"
    assert there <= allowed, f"orphans: {there - allowed}"
    for sandbox in sandboxes:
        if sandbox.now in {State.READY, State.WARM}:
            assert seen[sandbox.hex].phase is Phase.RUNNING, f"{sandbox} is not up"
            assert seen[sandbox.hex].frozen == sandbox.frozen, f"{sandbox}: frozen {sandbox.frozen}"


def check_faults() -> None:
    stray = FaultRecord.objects.filter(undone_at=None).exclude(sandbox__state__in=["ready", "degraded"])
    assert not stray.exists(), f"faults outlived their sandbox: {list(stray)}"
