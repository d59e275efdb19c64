"""The states of a sandbox and the legal moves between them; no I/O, no Django.

    (no row) -> QUEUED -> PROVISIONING{stage} -> BINDING -> READY           any -> DELETING -> DELETED
                                   |                ^                       any -> FAILED(cause, retryable)
                                   +----> WARM -----+                       DELETING too long -> QUARANTINED

    READY <-> DEGRADED
    READY -> SUSPENDING -> SUSPENDED -> RESUMING -> READY

Ways back that the drawing leaves out: a degraded sandbox may be suspended, a waking one put back to sleep
(Stop beats Resume in flight), a warm one that turns out dead at its hand-over queued for a cold start, a
failed start queued again, a failed sandbox with data woken again, and what was quarantined is deleted after
all once its backend lets go.

Frozen is not a state: it is how a WARM or READY sandbox rests. Reset is not one either: a lab resets only
what it owns, while the sandbox stays READY.

Cancel is not a state of its own: cancelling a start that was never handed over deletes it, cancelling a
wake suspends again. So cancel and delete are legal in every state.
"""

from enum import StrEnum

from sandboxes.errors import IllegalMove


class State(StrEnum):
    """What was decided about a sandbox (a backend's Phase is what is seen of it)."""

    QUEUED = "queued"
    PROVISIONING = "provisioning"
    WARM = "warm"
    BINDING = "binding"
    READY = "ready"
    DEGRADED = "degraded"
    SUSPENDING = "suspending"
    SUSPENDED = "suspended"
    RESUMING = "resuming"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"
    QUARANTINED = "quarantined"


# On their way out: they never fail and never come back, they only end.
LEAVING = frozenset({State.DELETING, State.DELETED, State.QUARANTINED})
# Somebody waits for these to end: pages refresh, the sweep rings.
PASSING = frozenset(
    {
        State.QUEUED,
        State.PROVISIONING,
        State.BINDING,
        State.SUSPENDING,
        State.RESUMING,
        State.DELETING,
    }
)
# The student's Kafka is up, or was and is being repaired.
ALIVE = frozenset({State.READY, State.DEGRADED})
# Never handed over: nothing in it belongs to the student yet, so Stop deletes.
UNBORN = frozenset({State.QUEUED, State.PROVISIONING, State.WARM, State.BINDING})

# Causes that are its owner's own doing: what was put in needs more than a sandbox may hold.
OUTGROWN = frozenset({"disk_full", "too_many_partitions"})

_DRAWN: dict[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.PROVISIONING}),
    State.PROVISIONING: frozenset({State.WARM, State.BINDING}),
    State.WARM: frozenset({State.BINDING}),
    State.BINDING: frozenset({State.READY, State.QUEUED}),
    State.READY: frozenset({State.DEGRADED, State.SUSPENDING}),
    State.DEGRADED: frozenset({State.READY, State.SUSPENDING}),
    State.SUSPENDING: frozenset({State.SUSPENDED}),
    State.SUSPENDED: frozenset({State.RESUMING}),
    State.RESUMING: frozenset({State.READY, State.SUSPENDING}),
    State.FAILED: frozenset({State.QUEUED, State.RESUMING}),
    State.DELETING: frozenset({State.DELETED, State.QUARANTINED}),
    State.QUARANTINED: frozenset({State.DELETED}),
    State.DELETED: frozenset(),
}


def _with_exits(state: State, drawn: frozenset[State]) -> frozenset[State]:
    """Every state may be deleted, and every state but the last ones may fail."""
    exits: set[State] = set()
    if state not in {State.DELETING, State.DELETED}:
        exits.add(State.DELETING)
    if state not in LEAVING | {State.FAILED}:
        exits.add(State.FAILED)
    return drawn | exits


MOVES: dict[State, frozenset[State]] = {state: _with_exits(state, drawn) for state, drawn in _DRAWN.items()}


def may_move(old: State, new: State) -> bool:
    """True when the lifecycle has this edge."""
    return new in MOVES[old]


def require_move(old: State, new: State) -> None:
    """Raise IllegalMove when the lifecycle has no such edge."""
    if not may_move(old, new):
        raise IllegalMove(f"A sandbox cannot go from {old} to {new}.")


def stop_leads_to(state: State) -> State:
    """Where Stop takes a sandbox: away when nothing in it is the student's yet, else to sleep.

    The same state where there is nothing to stop.
    """
    if state in UNBORN:
        return State.DELETING
    return State.SUSPENDING if may_move(state, State.SUSPENDING) else state
