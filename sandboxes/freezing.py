"""When a sandbox that is up is frozen: nothing in it needs to be awake, and nothing has for a while.

What needs it is written to its row as `needed_at`: a way in that was asked for (`provisioning.need`), a page
or an attempt that watches, a program that runs. Its Kafka is asked last, for members of groups and open
transactions. A freezer writes first and freezes then, by compare-and-set on that column, and looks once more
afterwards: for whoever came in between it is thawed again.
"""

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

import redis
from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from sandboxes import faults, provisioning
from sandboxes.lifecycle import State
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent, announce_state
from sandboxes.step import Settled, Step

logger = logging.getLogger(__name__)

AFTER = timedelta(seconds=90)
# A watcher is noted this often, well within AFTER, so that Redis may lose its keys for a moment.
NOTED_EVERY = timedelta(seconds=30)


def watched(sandbox_ids: Iterable[UUID]) -> set[UUID]:
    """Those that a page or an attempt watches; all of them while Redis cannot say."""
    asked = list(sandbox_ids)
    if not asked:
        return set()
    try:
        with redis.Redis.from_url(settings.REDIS_URL) as client, client.pipeline(transaction=False) as pipe:
            for sandbox_id in asked:
                pipe.exists(f"live:watch:{sandbox_id.hex}", f"live:watch:attempt:{sandbox_id.hex}")
            return {found for found, counted in zip(asked, pipe.execute(), strict=True) if counted}
    except redis.RedisError:
        logger.info("freezing.no_redis")
        return set(asked)


def note_watchers() -> None:
    """Write down who is watched now; one question to Redis and one write for all."""
    now = timezone.now()
    stale = _awake().filter(needed_at__lt=now - NOTED_EVERY).values_list("pk", flat=True)
    Sandbox.objects.filter(pk__in=watched(stale), frozen=False).update(needed_at=now)


def idle() -> QuerySet[Sandbox]:
    """Sandboxes that nothing has needed for a while, as far as rows tell."""
    broken = FaultRecord.objects.filter(undone_at=None).values("sandbox")
    return _awake().filter(needed_at__lt=_cutoff()).exclude(pk__in=broken)


def freeze_if_idle(step: Step) -> None:
    """Freeze the sandbox of a step, if really nothing needs it to be awake."""
    sandbox = step.sandbox
    if sandbox.needed_at >= _cutoff() or faults.active(sandbox).exists():
        return
    why = _who_needs(step)
    if why:
        step.note(needed_at=timezone.now())
        return
    if not _claim(step):
        raise Settled
    step.ask(step.backend.freeze, sandbox.hex)
    _look_again(sandbox)


def _who_needs(step: Step) -> str:
    """What needs it, by asking who would know; the cheapest question first."""
    hex_id = step.sandbox.hex
    if watched([step.sandbox.pk]):
        return "watcher"
    if any(run.running for run in step.backend.workspace(hex_id).programs()):
        return "program"
    step.hold()
    return step.backend.in_use(hex_id)


def _claim(step: Step) -> bool:
    """Say in the row that it is frozen, unless somebody has asked for it since; before it is."""
    sandbox = step.sandbox
    rows = Sandbox.objects.filter(
        pk=sandbox.pk, state=State.READY, generation=sandbox.generation, lease_token=step.lease.token,
        frozen=False, needed_at__lt=_cutoff(),
    )  # fmt: skip
    with transaction.atomic():
        if not rows.update(frozen=True):
            return False
        sandbox.frozen = True
        SandboxEvent.act(sandbox, "freeze", actor="worker")
        transaction.on_commit(lambda: announce_state(sandbox.pk, State.READY, ""))
    return True


def _look_again(sandbox: Sandbox) -> None:
    """Thaw it for whoever came while it was being frozen."""
    still_frozen = Sandbox.objects.filter(pk=sandbox.pk, frozen=True, state=State.READY).exists()
    if not still_frozen or watched([sandbox.pk]):
        provisioning.thaw(sandbox)


def _awake() -> QuerySet[Sandbox]:
    return Sandbox.objects.filter(state=State.READY, frozen=False)


def _cutoff() -> datetime:
    return timezone.now() - AFTER
