"""Every ten seconds: compare what was decided with what is there, both ways, and ring where they differ.

Nothing here waits for anything, so that beat may run it twice, late or not for a while. It is what makes a
lost doorbell, a killed worker or a restarted Redis a matter of seconds. One inventory per cluster, never a
question per sandbox that is settled.
"""

import logging
import uuid
from collections.abc import Iterable
from uuid import UUID

from django.utils import timezone

from sandboxes import expiry, faults, placement, provisioning, pulse
from sandboxes.backends.base import Backend, BackendError
from sandboxes.lifecycle import ALIVE, State
from sandboxes.models import Cluster, Sandbox

logger = logging.getLogger(__name__)

# States in which something is under way; QUEUED waits for its turn and is rung by `next_in_line`.
_MOVING = (
    State.PROVISIONING,
    State.BINDING,
    State.SUSPENDING,
    State.DELETING,
    State.QUARANTINED,
)


def sweep() -> tuple[UUID, ...]:
    """Undo what is overdue, remove orphans, put the unused to sleep; return the sandboxes to ring."""
    end_overdue_faults()
    there = remove_orphans()
    asleep = suspend_the_unused()
    pulse.swept()
    return tuple(dict.fromkeys((*asleep, *_to_ring(), *_left_behind(there))))


def end_overdue_faults() -> None:
    """Take out every fault whose time is up, also when the doorbell for it was lost."""
    for record in faults.due():
        faults.undo(record)


def _to_ring() -> Iterable[UUID]:
    yield from Sandbox.objects.filter(state__in=(*_MOVING, *ALIVE)).values_list("pk", flat=True)
    # A start waiting for its owner's former sandbox is not in line, but must not be forgotten.
    yield from Sandbox.objects.filter(state=State.QUEUED, owner__sandboxes__state=State.DELETING).values_list(
        "pk", flat=True
    )
    waking = Sandbox.objects.filter(state=State.RESUMING, begun_at__isnull=False)
    yield from waking.values_list("pk", flat=True)
    for cluster_id in Cluster.objects.values_list("pk", flat=True):
        yield from placement.next_in_line(cluster_id)


def _left_behind(there: set[UUID]) -> Iterable[UUID]:
    """Failed starts that still have something in their backend."""
    failed = Sandbox.objects.filter(state=State.FAILED, handed_over_at=None).values_list("pk", flat=True)
    return [pk for pk in failed if pk in there]


def remove_orphans() -> set[UUID]:
    """Destroy what backends hold and no row wants; return the ids of everything that is there.

    Only what a backend calls a sandbox of ours and whose name is an id of ours is ever touched.
    """
    there: set[UUID] = set()
    for backend in _backends():
        try:
            found = {sandbox_id for name in backend.inventory() if (sandbox_id := _id_of(name))}
            _destroy_unwanted(backend, found)
        except BackendError as error:
            logger.warning("sweep.no_inventory", extra={"why": error.sentence})
        else:
            there |= found
    return there


def _backends() -> list[Backend]:
    """The site's own backend and those of its clusters, each once."""
    backends = [provisioning.backend_for(place) for place in (None, *Cluster.objects.order_by("pk"))]
    return list({id(backend): backend for backend in backends}.values())


def _destroy_unwanted(backend: Backend, found: set[UUID]) -> None:
    # Rows are read after the inventory: whatever it lists was wanted by a row that is committed by now.
    kept = Sandbox.objects.exclude(state=State.DELETED).filter(pk__in=found).values_list("pk", flat=True)
    for sandbox_id in found - set(kept):
        logger.warning("sweep.orphan", extra={"sandbox": sandbox_id.hex})
        backend.destroy(sandbox_id.hex)
        pulse.orphan_removed(sandbox_id.hex)


def _id_of(name: str) -> UUID | None:
    try:
        sandbox_id = uuid.UUID(hex=name)
    except ValueError:
        return None
    return sandbox_id if sandbox_id.hex == name and sandbox_id.version == 4 else None


def suspend_the_unused() -> list[UUID]:
    """Put sandboxes to sleep whose time is up and that run no program."""
    now, asleep = timezone.now(), []
    for sandbox in Sandbox.objects.filter(state__in=ALIVE, expires_at__lte=now).select_related("cluster"):
        if _runs_a_program(sandbox) and expiry.expiry_after(sandbox, now) > now:
            expiry.touch(sandbox, "program", now)
        elif sandbox.move_to(State.SUSPENDING, actor="sweep", wish=True, detail="not used for a while"):
            asleep.append(sandbox.pk)
    return asleep


def _runs_a_program(sandbox: Sandbox) -> bool:
    try:
        return any(run.running for run in provisioning.workspace(sandbox).programs())
    except BackendError:
        return False
