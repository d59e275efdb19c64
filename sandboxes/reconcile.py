"""Take the next step of one sandbox, from wherever it is now towards what was decided.

Safe to run twice, late, at the same time, or to be killed at any point: it works under a lease, asks the
backend only for things that are idempotent, and writes by compare-and-set with its fencing token. A step
ends within 20 s; what is left is for the next ring, at the latest by the sweep. No call to a backend is
made inside a transaction. What is done in each state is in `starting`, `running` and `ending`.
"""

import logging
from dataclasses import dataclass
from uuid import UUID

from sandboxes import ending, leases, placement, running, starting
from sandboxes.errors import LeaseLost
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from sandboxes.step import Handlers, Step

logger = logging.getLogger(__name__)

HANDLERS: Handlers = {**starting.HANDLERS, **running.HANDLERS, **ending.HANDLERS}


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


def reconcile(sandbox_id: UUID) -> Outcome:
    """Run one step. Returns at once while another worker holds the lease: it looks again when it is done."""
    lease = leases.take(sandbox_id)
    if lease is None:
        return Outcome()
    sandbox = _load(sandbox_id)
    began = sandbox.state
    try:
        again = Step(sandbox, lease).run(HANDLERS)
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
