"""What a person, or the site on a person's behalf, may ask of a sandbox.

Each service writes the decision and returns; work begins when the doorbell rings after the commit. All take
the sandbox or user they are about first and everything else by keyword, and may be called again without harm.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from sandboxes import expiry, faults, fresh, placement, pool, provisioning, retries
from sandboxes.backends.base import BackendError, Fault, ProgramRun
from sandboxes.errors import NotPossibleNow, SandboxError
from sandboxes.lifecycle import ALIVE, State, may_move, stop_leads_to
from sandboxes.models import (
    Cluster,
    FaultRecord,
    PoolReservation,
    Sandbox,
    SandboxEvent,
    announce_state,
)
from sandboxes.tasks import doorbell, doorbell_on_commit, set_alarm

logger = logging.getLogger(__name__)

LONGEST_FAULT_S = faults.LONGEST_S
# Until the lab whose fault was put in again renews it, which it does three times as often.
HELD_AGAIN_S = 60.0
PROFILES = pool.PROFILES
# How often a decision is tried again when the sandbox moves on at the very moment it is taken.
TRIES = 10


def request_sandbox(user: User, profile: str = "kafka-1", *, by: User | None = None) -> Sandbox:
    """The user's live sandbox: the one there is, woken or tried again if need be, or a warm or new one."""
    if profile not in PROFILES:
        raise NotPossibleNow(f"There is no profile called {profile}.")
    for _ in range(TRIES):
        sandbox = _live(user)
        if sandbox is None:
            sandbox = _new(user, profile, by)
        elif sandbox.now in {State.SUSPENDED, State.FAILED}:
            sandbox = _start_again(sandbox, by)
        if sandbox is not None:
            transaction.on_commit(partial(_ring_unless_in_vain, sandbox))
            return sandbox
    raise NotPossibleNow("Your sandbox is changing at this moment. Try again.")


def _ring_unless_in_vain(sandbox: Sandbox) -> None:
    """In a rush, spare the workers a look at everybody who has to wait.

    Asked after the commit: either we see the place that somebody leaves, or they see us when they leave it.
    """
    if sandbox.now is not State.QUEUED or placement.has_room(sandbox.cluster):
        doorbell(sandbox.pk)


def _live(user: User) -> Sandbox | None:
    live = Sandbox.objects.filter(owner=user, wanted=Sandbox.Wanted.PRESENT)
    return live.select_related("cluster").first()


def _new(user: User, profile: str, by: User | None) -> Sandbox | None:
    """A warm one, or a new row; None when another request was first (the index holds one per owner)."""
    actor = "student" if by is None or by == user else by.role
    try:
        return pool.claim(user, profile, actor=actor, by=by) or _create(user, profile, actor, by)
    except IntegrityError:
        return None


def _create(user: User, profile: str, actor: str, by: User | None) -> Sandbox:
    """A new row with its first event."""
    (sandbox,) = fresh.add([user], clusters=[placement.choose_cluster()], profile=profile, actor=actor, by=by)
    logger.info("sandbox.requested", extra={"sandbox": sandbox.hex})
    return sandbox


def _start_again(sandbox: Sandbox, by: User | None) -> Sandbox | None:
    """Wake what holds a student's data; queue what never became anybody's. None when it moved meanwhile."""
    if sandbox.failure_cause == "data_lost":
        raise NotPossibleNow(f"{sandbox.failure_sentence}")
    return sandbox if retries.try_again(sandbox, actor=actor_of(sandbox, by), by=by) else None


def actor_of(sandbox: Sandbox, by: User | None) -> str:
    """Which kind of person decides: the owner is a "student" here, whatever else they may be."""
    return "student" if by is None or by.pk == sandbox.owner_id else by.role


def stop_sandbox(sandbox: Sandbox, *, by: User | None = None, reason: str = "") -> State:
    """Put it to sleep with all its data; a start that was never handed over is cancelled instead.

    Stop wins over a start in flight. Where there is nothing to stop, nothing happens.
    """
    return _decide(sandbox, stop_leads_to, by=by, reason=reason)


def delete_sandbox(sandbox: Sandbox, *, by: User | None = None, reason: str = "") -> State:
    """Remove it with everything in it; legal in every state, and silent when it is gone or going."""
    return _decide(sandbox, _delete_leads_to, by=by, reason=reason)


def _delete_leads_to(state: State) -> State:
    return State.DELETING if may_move(state, State.DELETING) else state


def _decide(sandbox: Sandbox, leads_to: Callable[[State], State], *, by: User | None, reason: str) -> State:
    """Move a sandbox to where a decision leads from its present state, however it moves meanwhile."""
    actor = actor_of(sandbox, by)
    for _ in range(TRIES):
        new = leads_to(sandbox.now)
        if new is sandbox.now or sandbox.move_to(new, actor=actor, by=by, reason=reason, wish=True):
            doorbell_on_commit(sandbox.pk)
            return sandbox.now
        sandbox.refresh_from_db()
    raise NotPossibleNow("Your sandbox is changing at this moment. Try again.")


def resume(sandbox: Sandbox, *, by: User | None = None) -> Sandbox:
    """Wake a sleeping sandbox; also the way back for one that failed with its data kept."""
    if sandbox.now in ALIVE or sandbox.now is State.RESUMING:
        return sandbox
    if sandbox.now not in {State.SUSPENDED, State.FAILED}:
        raise NotPossibleNow("Your sandbox is not asleep, so there is nothing to wake.")
    _start_again(sandbox, by)
    doorbell_on_commit(sandbox.pk)
    return sandbox


def start_over(sandbox: Sandbox, *, by: User | None = None, reason: str = "") -> Sandbox:
    """Replace it by a new, empty one; the new one starts as soon as the old one is gone."""
    owner, profile = sandbox.owner, sandbox.profile
    if owner is None:
        raise NotPossibleNow("This sandbox belongs to nobody, so nobody can start it over.")
    with transaction.atomic():
        delete_sandbox(sandbox, by=by, reason=reason)
        return request_sandbox(owner, profile, by=by)


def touch(sandbox: Sandbox, source: str) -> None:
    """Count a use, so that the idle clock starts again. source: "file", "program", "check", "extend"."""
    expiry.touch(sandbox, source, timezone.now())


def extend(sandbox: Sandbox, *, by: User | None = None) -> None:
    """Keep it awake for another while, by asking. Raises NotPossibleNow when it would reach the hard cap."""
    if sandbox.now not in ALIVE:
        raise NotPossibleNow("Your sandbox is not awake, so there is nothing to extend. Press Start.")
    now = timezone.now()
    if sandbox.expires_at is not None and sandbox.expires_at >= expiry.hard_cap(sandbox):
        raise NotPossibleNow(
            f"Your sandbox has been awake for nearly {expiry.CAP_HOURS} hours, the most there is. "
            "Put it to sleep and wake it, with everything in it, to go on."
        )
    expiry.touch(sandbox, "extend", now, always=True)
    SandboxEvent.act(sandbox, "extend", actor=actor_of(sandbox, by), by=by)
    announce_state(sandbox.pk, sandbox.now, "")


def hold(sandbox: Sandbox, *, until: datetime, by: User, reason: str = "") -> None:
    """Keep a sandbox from being put to sleep until then, but not past the hard cap; a past time lets go."""
    if sandbox.now not in ALIVE:
        raise NotPossibleNow("This sandbox is not awake, so it cannot be kept awake. Wake it first.")
    held = max(timezone.now(), min(until, expiry.hard_cap(sandbox)))
    sandbox.held_until = held
    sandbox.expires_at = expiry.expiry_after(sandbox, sandbox.last_activity_at or timezone.now())
    Sandbox.objects.filter(pk=sandbox.pk).update(held_until=held, expires_at=sandbox.expires_at)
    detail = f"until {held:%H:%M} UTC{': ' if reason else ''}{reason}"
    SandboxEvent.act(sandbox, "hold", actor=actor_of(sandbox, by), by=by, detail=detail)
    announce_state(sandbox.pk, sandbox.now, "")


def reserve_pool(
    cluster: Cluster, *, profile: str, count: int, until: datetime, reason: str, by: User | None
) -> PoolReservation:
    """Ask for so many warm sandboxes until a time, for what is known to come; the next sweep begins."""
    if profile not in PROFILES:
        raise NotPossibleNow(f"There is no profile called {profile}.")
    if count < 1 or until <= timezone.now():
        raise NotPossibleNow("Reserve at least one sandbox, until a time that is still to come.")
    return PoolReservation.objects.create(
        cluster=cluster, profile=profile, count=count, until=until, reason=reason[:200], by=by
    )


def run_program(sandbox: Sandbox, *, path: str, args: tuple[str, ...] = (), label: str = "") -> ProgramRun:
    """Start a program of the student's.

    What a lab holds in the sandbox is for that lab's programs: it is taken out before one of another folder
    starts, and is in again before one of its own does. Else a slow network would slow the next lab, too.
    """
    space, folder = provisioning.workspace(sandbox), faults.folder_of(path)
    running = lambda: (faults.folder_of(run.path) for run in space.programs() if run.running)  # noqa: E731
    faults.give_way(sandbox, folder, running)
    for owed in faults.take_back(sandbox, folder):
        _put_back(sandbox, owed)
    run = space.start_program(path=path, args=args, label=label)
    touch(sandbox, "program")
    return run


def _put_back(sandbox: Sandbox, owed: FaultRecord) -> None:
    """Put in again what a lab holds; what cannot be now is left to the lab's next round, and ends no Run."""
    fault, folder = faults.fault_of(owed), owed.folder
    try:
        again = inject_fault(sandbox, fault, seconds=HELD_AGAIN_S, actor=owed.maker, folder=folder)
    except (SandboxError, BackendError) as error:
        logger.warning("fault.not_put_back", extra={"fault": owed.pk, "why": str(error)})
        return
    if not faults.is_held(owed):  # its task has ended meanwhile
        faults.let_go(sandbox, fault.kind, folder)
        undo_fault(again)


def inject_fault(
    sandbox: Sandbox, fault: Fault, *, seconds: float, actor: str = "student", folder: str = ""
) -> FaultRecord:
    """Put a fault into a sandbox for at most so many seconds (and never more than two minutes).

    folder: whose programs it is for; see `run_program`.

    The record comes first, so that whatever dies, the fault is taken out at its deadline.
    """
    if sandbox.now not in ALIVE:
        raise NotPossibleNow("Your sandbox is not running, so there is nothing to break. Press Start.")
    provisioning.need(sandbox)
    record = faults.book(sandbox, fault, seconds=seconds, actor=actor, folder=folder)
    try:
        provisioning.backend_for(sandbox).inject(sandbox.hex, fault)
    except BackendError:
        undo_fault(record)
        raise
    set_alarm(record, after=min(seconds, faults.LONGEST_S))
    if actor == "student":  # a check renews its faults by itself; only a person's doing is use
        touch(sandbox, "fault")
    doorbell_on_commit(sandbox.pk)
    return record


def undo_own_faults(sandbox: Sandbox, kind: str) -> None:
    """The owner takes their faults of a kind out before their time; nothing happens when none is in.

    NotPossibleNow when all that are in were put there by a check, or one cannot be taken out at once.
    """
    found = list(faults.active(sandbox).filter(kind=kind).select_related("sandbox__cluster"))
    own = [record for record in found if record.is_owners]
    if found and not own:
        raise NotPossibleNow("The lab put this fault in. It ends with the lab's task.")
    for record in own:
        undone = faults.undo(record, actor="student")
        doorbell_on_commit(sandbox.pk)
        if not undone:
            raise NotPossibleNow("It could not be taken out just now. It is tried again by itself.")


def undo_fault(record: FaultRecord) -> bool:
    """Take a fault out before its time; False when that has to be tried again, which the sweep does."""
    undone = faults.undo(record)
    doorbell_on_commit(record.sandbox_id)
    return undone
