"""Figures about sandboxes that are counted as things happen; what rows can tell is in `gauges`.

They are read off the events, once an event is committed: what the log of a sandbox says and what is counted
cannot differ. Names and meanings are listed in deploy/README.md, and the alerts stand on them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram

if TYPE_CHECKING:
    from sandboxes.models import Sandbox, SandboxEvent

# A start may wait in the queue for minutes: the last bucket lies beyond every deadline there is, so that no
# slow start hides in "more than that".
START_BUCKETS = (0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 20, 30, 60, 120, 180, 300, 600)
_STAGE_BUCKETS = (0.02, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 8, 13, 30, 60)
_SWEEP_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

STARTS = Counter(
    "millrace_sandbox_starts_total",
    "Starts that came to an end. kind: warm (from the pool), cold, wake, pool (for the pool itself); "
    "outcome: ready, failed, cancelled.",
    ["kind", "outcome"],
)
START_SECONDS = Histogram(
    "millrace_sandbox_start_seconds",
    "Seconds from the press of Start to Ready, waiting in the queue included.",
    ["kind"],
    buckets=START_BUCKETS,
)
STAGE_SECONDS = Histogram(
    "millrace_sandbox_stage_seconds", "Seconds a start spent in one stage.", ["stage"], buckets=_STAGE_BUCKETS
)
MOVES = Counter("millrace_sandbox_moves_total", "Moves between states.", ["old", "new"])
FAILURES = Counter("millrace_sandbox_failures_total", "Sandboxes that failed, by cause.", ["cause"])
BREAKS = Counter(
    "millrace_sandbox_breaks_total", "Sandboxes that broke while they were up, by cause.", ["cause"]
)
CLAIMS = Counter(
    "millrace_pool_claims_total", "Starts that found a warm sandbox (hit), or none (miss).", ["result"]
)
ORPHANS = Counter(
    "millrace_orphans_removed_total", "Things that ran, that no row wanted, and that were removed."
)
SWEEP_SECONDS = Histogram("millrace_sweep_seconds", "Seconds that one sweep took.", buckets=_SWEEP_BUCKETS)

KINDS, OUTCOMES = ("warm", "cold", "wake", "pool"), ("ready", "failed", "cancelled")
for _kind in KINDS:
    START_SECONDS.labels(_kind)
    for _outcome in OUTCOMES:
        STARTS.labels(_kind, _outcome)
for _result in ("hit", "miss"):
    CLAIMS.labels(_result)

_BEFORE_READY = frozenset({"queued", "provisioning", "binding"})


def noted(event: SandboxEvent, sandbox: Sandbox) -> None:
    """Count what an event says; call it when the event is committed."""
    if event.kind == event.STAGE:
        if event.old:
            STAGE_SECONDS.labels(event.old).observe(event.took_s)
    elif event.kind == event.ACT:
        if event.new == "claim":  # a start for the pool that was not finished yet
            CLAIMS.labels("miss").inc()
    elif event.kind == event.MOVE:
        _moved(event, sandbox)


def _moved(event: SandboxEvent, sandbox: Sandbox) -> None:
    MOVES.labels(event.old, event.new).inc()
    if event.new == "failed":
        FAILURES.labels(event.cause or "unknown").inc()
    if event.new == "degraded" and event.cause:  # one without was stopped on purpose
        BREAKS.labels(event.cause).inc()
    if event.actor != "sweep" and (event.old, event.new) == ("", "queued"):
        CLAIMS.labels("miss").inc()
    if (event.old, event.new) == ("warm", "binding"):
        CLAIMS.labels("hit").inc()
    if ended := _ended(event, sandbox):
        _count_start(*ended, event, sandbox)


def _ended(event: SandboxEvent, sandbox: Sandbox) -> tuple[str, str] | None:
    """Which kind of start this move brought to which end; None when it ended none."""
    if event.old == "resuming":
        ends = {"ready": "ready", "failed": "failed", "suspending": "cancelled", "deleting": "cancelled"}
        return ("wake", ends[event.new]) if event.new in ends else None
    if event.old not in _BEFORE_READY:
        return None
    ends = {"ready": "ready", "warm": "ready", "failed": "failed", "deleting": "cancelled"}
    return (_kind_of(event, sandbox), ends[event.new]) if event.new in ends else None


def _kind_of(event: SandboxEvent, sandbox: Sandbox) -> str:
    from sandboxes.pool import HAND_OVER

    if sandbox.owner_id is None:
        return "pool"
    return "warm" if event.detail == HAND_OVER else "cold"


def _count_start(kind: str, outcome: str, event: SandboxEvent, sandbox: Sandbox) -> None:
    STARTS.labels(kind, outcome).inc()
    if outcome == "ready":
        waited_s = (event.at - sandbox.queued_at).total_seconds()
        START_SECONDS.labels(kind).observe(event.took_s if kind == "wake" else max(0.0, waited_s))
