"""Every ten seconds: compare what was decided with what is there, both ways, and ring where they differ.

Nothing here waits for anything, so that beat may run it twice, late or not for a while. It is what makes a
lost doorbell, a killed worker or a restarted Redis a matter of seconds. One look per backend, never a
question per sandbox that is settled.
"""

import logging
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.utils import timezone

from sandboxes import expiry, faults, freezing, placement, pool, provisioning, pulse, retries
from sandboxes.backends.base import Backend, BackendError, Observation, Phase
from sandboxes.lifecycle import ALIVE, State
from sandboxes.models import Cluster, FaultRecord, Sandbox, announce_state

logger = logging.getLogger(__name__)

EVERY = timedelta(seconds=10)

# States in which something is under way; QUEUED waits for its turn and is rung by `next_in_line`.
_MOVING = (
    State.PROVISIONING,
    State.BINDING,
    State.SUSPENDING,
    State.DELETING,
    State.QUARANTINED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all backends hold, by id; unseen: backends that could not be asked, of which nothing is known."""

    seen: Mapping[UUID, Observation]
    unseen: tuple[Backend, ...]

    def knows(self, place: Sandbox | Cluster) -> bool:
        return provisioning.backend_for(place) not in self.unseen


def sweep() -> tuple[UUID, ...]:
    """Undo what is overdue, remove what nobody wants, tend the pool, freeze and put to sleep what is idle.

    Returns the sandboxes to ring.
    """
    end_overdue_faults()
    scene = look()
    give_notice()
    asleep = suspend_the_unused(scene)
    warn_of_sleep()
    tried = [sandbox.pk for sandbox in retries.try_due()]
    freezing.note_watchers()
    unseen = frozenset(cluster.pk for cluster in Cluster.objects.all() if not scene.knows(cluster))
    tended = pool.tend(scene.seen, unseen=unseen)
    pulse.swept()
    return tuple(dict.fromkeys((*asleep, *tried, *tended, *_to_ring(scene), *_left_behind(scene))))


def end_overdue_faults() -> None:
    """Take out every fault whose time is up, also when the doorbell for it was lost."""
    for record in faults.due():
        faults.undo(record)


def _to_ring(scene: Scene) -> Iterator[UUID]:
    yield from Sandbox.objects.filter(state__in=(*_MOVING, State.DEGRADED)).values_list("pk", flat=True)
    yield from _changed(scene)
    yield from freezing.idle().values_list("pk", flat=True)
    # A start waiting for its owner's former sandbox is not in line, but must not be forgotten.
    yield from Sandbox.objects.filter(state=State.QUEUED, owner__sandboxes__state=State.DELETING).values_list(
        "pk", flat=True
    )
    waking = Sandbox.objects.filter(state=State.RESUMING, begun_at__isnull=False)
    yield from waking.values_list("pk", flat=True)
    for cluster_id in Cluster.objects.values_list("pk", flat=True):
        yield from placement.next_in_line(cluster_id)


def _changed(scene: Scene) -> Iterator[UUID]:
    """Those that are READY and are not seen as their row says; one that is as it should be is left alone."""
    downed = FaultRecord.objects.filter(undone_at=None, kind__in=faults.BROKER_KINDS)
    on_purpose = set(downed.values_list("sandbox", flat=True))
    for sandbox in Sandbox.objects.filter(state=State.READY).select_related("cluster"):
        if sandbox.pk in on_purpose or (scene.knows(sandbox) and not _is_as_written(sandbox, scene)):
            yield sandbox.pk


def _is_as_written(sandbox: Sandbox, scene: Scene) -> bool:
    seen = scene.seen.get(sandbox.pk)
    return seen is not None and seen.phase is Phase.RUNNING and seen.frozen == sandbox.frozen


def _left_behind(scene: Scene) -> Iterable[UUID]:
    """Failed starts that still have something in their backend."""
    failed = Sandbox.objects.filter(state=State.FAILED, handed_over_at=None).values_list("pk", flat=True)
    return [pk for pk in failed if pk in scene.seen]


def look() -> Scene:
    """What every backend holds, one question each; what no row wants is destroyed.

    Only what a backend calls a sandbox of ours and whose name is an id of ours is ever touched.
    """
    seen: dict[UUID, Observation] = {}
    unseen: list[Backend] = []
    for backend in _backends():
        try:
            here = backend.look()
        except BackendError as error:
            logger.warning("sweep.no_inventory", extra={"why": error.sentence})
            unseen.append(backend)
            continue
        found = {known: here[name] for name in here if (known := _id_of(name))}
        _destroy_unwanted(backend, set(found))
        seen |= found
    return Scene(seen=seen, unseen=tuple(unseen))


def _backends() -> list[Backend]:
    """The site's own backend and those of its clusters, each once."""
    backends = [provisioning.backend_for(place) for place in (None, *Cluster.objects.order_by("pk"))]
    return list({id(backend): backend for backend in backends}.values())


def _destroy_unwanted(backend: Backend, found: set[UUID]) -> None:
    # Rows are read after the inventory: whatever it lists was wanted by a row that is committed by now.
    kept = Sandbox.objects.exclude(state=State.DELETED).filter(pk__in=found).values_list("pk", flat=True)
    for sandbox_id in found - set(kept):
        logger.warning("sweep.orphan", extra={"sandbox": sandbox_id.hex})
        try:
            backend.destroy(sandbox_id.hex)
        except BackendError as error:  # the next sweep tries it again; what was seen of the others is as true
            logger.warning("sweep.orphan_stays", extra={"sandbox": sandbox_id.hex, "why": error.sentence})
        else:
            pulse.orphan_removed(sandbox_id.hex)


def _id_of(name: str) -> UUID | None:
    try:
        sandbox_id = uuid.UUID(hex=name)
    except ValueError:
        return None
    return sandbox_id if sandbox_id.hex == name and sandbox_id.version == 4 else None


def give_notice() -> None:
    """After a long time without a sweep, or a leap of the clock, nobody goes to sleep who was not warned."""
    now, gap_s = timezone.now(), pulse.since_sweep_s() or 0.0
    if gap_s > expiry.WARN.total_seconds():
        unwarned = Sandbox.objects.filter(state__in=ALIVE, expires_at__lt=now + expiry.WARN)
        unwarned.update(expires_at=now + expiry.WARN)


def suspend_the_unused(scene: Scene) -> list[UUID]:
    """Put sandboxes to sleep whose time is up: unused and held by nobody, or awake for as long as may be."""
    now, asleep = timezone.now(), []
    for sandbox in Sandbox.objects.filter(state__in=ALIVE, expires_at__lte=now).select_related("cluster"):
        may_stay = expiry.expiry_after(sandbox, now) > now
        if may_stay and not scene.knows(sandbox):
            continue
        runs = _runs_a_program(sandbox) if may_stay else False
        if runs is None:
            continue  # nobody knows; the next sweep asks again
        if runs:
            expiry.touch(sandbox, "program", now)
        elif _put_to_sleep(sandbox, now, _REASONS[may_stay]):
            asleep.append(sandbox.pk)
    return asleep


def _put_to_sleep(sandbox: Sandbox, now: datetime, detail: str) -> bool:
    """Unless somebody used it or asked for more time since it was looked at, which changes no generation."""
    unused = Q(expires_at__lte=now)
    return sandbox.move_to(State.SUSPENDING, actor="sweep", wish=True, detail=detail, only=unused)


_REASONS = {True: "not used for a while", False: f"awake for {expiry.CAP_HOURS} hours, the most there is"}


def _runs_a_program(sandbox: Sandbox) -> bool | None:
    """Asks without waking it; None when it could not be asked."""
    try:
        programs = provisioning.backend_for(sandbox).workspace(sandbox.hex).programs()
    except BackendError:
        return None
    return any(run.running for run in programs)


def warn_of_sleep() -> None:
    """Tell the pages of those that go to sleep in five minutes; the panel then offers to keep it awake."""
    soon = timezone.now() + expiry.WARN
    due = Sandbox.objects.filter(state__in=ALIVE, expires_at__gt=soon - EVERY, expires_at__lte=soon)
    for sandbox_id, state in due.values_list("pk", "state"):
        announce_state(sandbox_id, State(state), "")
