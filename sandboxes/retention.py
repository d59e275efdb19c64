"""What is forgotten of sandboxes, and when: deleted ones with their events, and what living ones did of old.

    a deleted sandbox, with its events                  KEEP_HISTORY_DAYS after it was deleted
    one that an instructor or admin did something to    KEEP_AUDIT_DAYS after it was deleted
    of any other: stages, faults, freezing, extending   after KEEP_HISTORY_DAYS; no act of staff, no move
    the record of a fault                               KEEP_HISTORY_DAYS after it was taken out

A fault that is still in force has no such time, so its record stays however old it is. The moves of a
sandbox are whole for as long as there is one, and what staff did outlasts the rest of it. Attempts, verdicts
and marks are the students' and stay: an attempt only loses its link to a sandbox that was deleted long ago.
Each function removes one slice in one short transaction, so that nobody who writes to SQLite meanwhile waits
for long; what was removed already is not there to be removed twice.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from sandboxes.lifecycle import State
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent

# Rows in one transaction: some milliseconds of SQLite's only write lock.
SLICE = 500
_STAFF = ("instructor", "admin")
_SMALL_PRINT = (SandboxEvent.STAGE, SandboxEvent.FAULT, SandboxEvent.ACT)


def deleted_sandboxes() -> Counter[str]:
    """Forget some that were deleted long ago; how many rows of what, nothing when none is due."""
    due = _due()
    if not due:
        return Counter()
    if faults := _remove_faults(FaultRecord.objects.filter(sandbox__in=due)):
        return faults
    told = _events_of(due)
    if told[due[0]] > SLICE:  # a long life goes piece by piece, its beginning first
        return _remove(SandboxEvent.objects.filter(sandbox=due[0]).order_by("pk"))
    whole: list[UUID] = []
    rows = 0
    for sandbox_id in due:
        rows += 1 + told[sandbox_id]
        if rows > SLICE + 1:
            break
        whole.append(sandbox_id)
    _, removed = Sandbox.objects.filter(pk__in=whole, state=State.DELETED).delete()
    return Counter(
        sandboxes=removed.get("sandboxes.Sandbox", 0), events=removed.get("sandboxes.SandboxEvent", 0)
    )


def small_print() -> Counter[str]:
    """Forget some old events of sandboxes that are still there, or are kept for what staff did to them."""
    before = _before(settings.KEEP_HISTORY_DAYS)
    if before is None:
        return Counter()
    old = SandboxEvent.objects.filter(kind__in=_SMALL_PRINT, at__lt=before).exclude(actor__in=_STAFF)
    return _remove(old)


def ended_faults() -> Counter[str]:
    """Forget some records of faults that were taken out long ago, whatever became of the sandbox."""
    before = _before(settings.KEEP_HISTORY_DAYS)
    return Counter() if before is None else _remove_faults(FaultRecord.objects.filter(undone_at__lt=before))


def _due() -> list[UUID]:
    """Deleted sandboxes whose time is over, the longest deleted first; no more than fit into a slice."""
    over = Q(pk__in=())
    if before := _before(settings.KEEP_HISTORY_DAYS):
        over |= Q(~_staff_acted(), state_since__lt=before)
    if before := _before(settings.KEEP_AUDIT_DAYS):
        over |= Q(_staff_acted(), state_since__lt=before)
    deleted = Sandbox.objects.filter(over, state=State.DELETED).order_by("state_since", "pk")
    return list(deleted.values_list("pk", flat=True)[:SLICE])


def _staff_acted() -> Exists:
    return Exists(SandboxEvent.objects.filter(sandbox=OuterRef("pk"), actor__in=_STAFF))


def _before(days: int) -> datetime | None:
    """What is older is forgotten; None when a setting of 0 keeps it for ever."""
    return timezone.now() - timedelta(days=days) if days > 0 else None


def _events_of(sandbox_ids: Iterable[UUID]) -> Counter[UUID]:
    rows = SandboxEvent.objects.filter(sandbox__in=sandbox_ids).order_by().values_list("sandbox")
    return Counter(dict(rows.annotate(count=Count("pk"))))


def _remove(events: QuerySet[SandboxEvent]) -> Counter[str]:
    """The first slice of them, found before the write lock is taken."""
    found = list(events.values_list("pk", flat=True)[:SLICE])
    if not found:
        return Counter()
    removed, _ = SandboxEvent.objects.filter(pk__in=found).delete()
    return Counter(events=removed)


def _remove_faults(records: QuerySet[FaultRecord]) -> Counter[str]:
    """The same for records of faults."""
    found = list(records.values_list("pk", flat=True)[:SLICE])
    if not found:
        return Counter()
    removed, _ = FaultRecord.objects.filter(pk__in=found).delete()
    return Counter(faults=removed)
