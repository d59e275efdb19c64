"""The failure deck's book-keeping: every fault has a record before it is made, a deadline, and one undo.

`undo` may be called by the deadline's own doorbell, by the sweep, by a person or by a suspend, any number
of times and at once: a fault is taken out once, and a fault that could not be taken out is tried again.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from sandboxes import provisioning
from sandboxes.announce import announce
from sandboxes.backends.base import FAULT_KINDS, BackendError, Fault, FaultKind
from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent

logger = logging.getLogger(__name__)

LONGEST_S = 120
BROKER_KINDS = frozenset({"broker_stop", "broker_kill"})
DOWN_ON_PURPOSE = "Your broker was stopped on purpose."


def active(sandbox: Sandbox) -> QuerySet[FaultRecord]:
    """Faults that are, or may still be, in a sandbox."""
    return FaultRecord.objects.filter(sandbox=sandbox, undone_at=None)


def broker_is_down_on_purpose(sandbox: Sandbox) -> bool:
    """True while a fault keeps a broker down: then a repair would spoil the lesson."""
    return active(sandbox).filter(kind__in=BROKER_KINDS).exists()


def broker_was_down_on_purpose(sandbox: Sandbox, *, within_s: float) -> bool:
    """True when a fault kept a broker down until less than so long ago: it may still be on its way up."""
    since = timezone.now() - timedelta(seconds=within_s)
    return FaultRecord.objects.filter(sandbox=sandbox, kind__in=BROKER_KINDS, undone_at__gt=since).exists()


def due() -> QuerySet[FaultRecord]:
    """Faults whose time is up; also those that would last longer than any may, as the clock went back."""
    now = timezone.now()
    ended = Q(deadline__lte=now) | Q(deadline__gt=now + timedelta(seconds=2 * LONGEST_S))
    return FaultRecord.objects.filter(ended, undone_at=None).select_related("sandbox__cluster")


@transaction.atomic
def book(sandbox: Sandbox, fault: Fault, *, seconds: float, actor: str, folder: str = "") -> FaultRecord:
    """Write the record of a fault about to be made; the same fault again only moves its deadline.

    Raises NotPossibleNow when a lab holds what the student would put in: it is the lab's until its task ends.

    A broker that goes down takes a second or more to do so. The row says it in the same commit as the record,
    or the page would say for so long that the broker is stopped and the sandbox is ready.
    """
    deadline = timezone.now() + timedelta(seconds=min(seconds, LONGEST_S))
    same = active(sandbox).filter(kind=fault.kind, node=fault.node).first()
    if same is not None:
        if same.folder and actor == "student":
            raise NotPossibleNow("The lab put this fault in already. It ends with the lab's task.")
        if folder:  # a lab holds from now on what its student had put in
            same.maker, same.folder = actor, folder
        same.deadline, same.ms = deadline, fault.ms
        same.save(update_fields=["deadline", "ms", "maker", "folder"])
        return same
    _tell(sandbox, actor=actor, old="", new=fault.kind, until=deadline)
    if fault.kind in BROKER_KINDS and sandbox.now is State.READY:
        # A frozen one is left as it is: a move would say that it is not, and only who thaws it may.
        sandbox.move_to(State.DEGRADED, actor=actor, detail=DOWN_ON_PURPOSE, only=Q(frozen=False))
    return FaultRecord.objects.create(
        sandbox=sandbox, kind=fault.kind, node=fault.node, ms=fault.ms, maker=actor, folder=folder,
        deadline=deadline,
    )  # fmt: skip


def undo(record: FaultRecord, *, actor: str = "worker") -> bool:
    """Take a fault out and close its record; False when the backend could not, and it is tried again.

    The backend is asked before the record is closed: a crash between the two asks again, which is harmless.
    """
    if record.undone_at is not None:
        return True
    try:
        provisioning.backend_for(record.sandbox).undo(record.sandbox.hex, fault_of(record))
    except BackendError as error:
        logger.warning("fault.undo_failed", extra={"fault": record.pk, "why": str(error)})
        return False
    close(record.sandbox, FaultRecord.objects.filter(pk=record.pk), actor=actor)
    return True


def folder_of(path: str) -> str:
    """The folder of the workspace that a program belongs to; "" for one that lies in none."""
    folder, _, rest = path.partition("/")
    return folder if rest else ""


def give_way(sandbox: Sandbox, folder: str, running: Callable[[], Iterable[str]]) -> None:
    """Take out what is for the programs of other folders, as one of this folder is about to start.

    running: the folders of what runs; a fault stays while a program that it is for does.
    """
    others = list(active(sandbox).exclude(folder__in=("", folder)).select_related("sandbox__cluster"))
    busy = set(running()) if others else set()
    for record in others:
        if record.folder not in busy:
            undo(record)


def take_back(sandbox: Sandbox, folder: str) -> list[FaultRecord]:
    """What gave way and is for the programs of this folder; each is returned once."""
    if not folder:
        return []
    owed = FaultRecord.objects.filter(sandbox=sandbox, folder=folder, gave_way=True)
    found = list(owed)
    return [one for one in found if owed.filter(pk=one.pk).update(gave_way=False)]


def let_go(sandbox: Sandbox, kind: str, folder: str) -> None:
    """The task that held it is over: what gave way is not put in again, nor what is still on its way out."""
    held = FaultRecord.objects.filter(sandbox=sandbox, kind=kind, folder=folder)
    held.exclude(folder="").update(gave_way=False, folder="")


def is_held(record: FaultRecord) -> bool:
    """Whether the task that a fault was put in for holds it still."""
    return FaultRecord.objects.filter(pk=record.pk).exclude(folder="").exists()


def close(sandbox: Sandbox, records: QuerySet[FaultRecord], *, actor: str = "worker") -> None:
    """Mark records as undone, once each, and tell the page."""
    for record in records.filter(undone_at=None):
        # What is for a folder's programs is owed to them, however it ended, until its task is over.
        ended = {"undone_at": timezone.now(), "gave_way": bool(record.folder)}
        if FaultRecord.objects.filter(pk=record.pk, undone_at=None).update(**ended):
            _tell(sandbox, actor=actor, old=record.kind, new="")


def fault_of(record: FaultRecord) -> Fault:
    """The record as a backend understands it."""
    kind: FaultKind = next(known for known in FAULT_KINDS if known == record.kind)
    return Fault(kind=kind, node=record.node, ms=record.ms)


def _tell(sandbox: Sandbox, *, actor: str, old: str, new: str, until: datetime | None = None) -> None:
    """Note it and announce it, with the seconds that are left: a browser's clock may be another."""
    SandboxEvent.objects.create(
        sandbox=sandbox, kind=SandboxEvent.FAULT, old=old, new=new, generation=sandbox.generation, actor=actor
    )
    said = {"kind": new or old, "active": bool(new), "own": actor == "student"}
    if until is not None:
        said["left_s"] = round((until - timezone.now()).total_seconds(), 1)
    transaction.on_commit(lambda: announce(sandbox.id, "fault", **said))
