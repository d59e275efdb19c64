"""Rows of the control plane: clusters and their pools, sandboxes, what happened to them, and their faults.

The row is the truth about a sandbox. It changes in two ways only: `move_to`, a compare-and-set that writes
an event in the same transaction, and `note`, for what is seen while a state lasts.
"""

import uuid
from datetime import datetime
from functools import partial
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from sandboxes import metrics
from sandboxes.announce import announce
from sandboxes.lifecycle import OUTGROWN, State, require_move

STATE_CHOICES = [(state.value, state.value) for state in State]


class Cluster(models.Model):
    """A place where sandboxes run.

    backend:        a name or dotted path that `provisioning` knows; empty means the site's SANDBOX_BACKEND.
    starts_at_once: how many may start at the same time; 0 means what the cores allow (sandboxes.placement).
    """

    name = models.CharField(max_length=60, unique=True)
    backend = models.CharField(max_length=200, blank=True)
    starts_at_once = models.PositiveSmallIntegerField(default=0)
    open = models.BooleanField(default=True)
    admissions = models.PositiveBigIntegerField(default=0)

    def __str__(self) -> str:
        return self.name


class ClusterEvent(models.Model):
    """Something that an admin did to a cluster; written once, never changed, kept for as long as the cluster.

    what: "open", "close", "starts", "reserve" or "release"; said: the whole of it in words.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    what = models.CharField(max_length=20)
    said = models.CharField(max_length=300)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return self.said


class PoolReservation(models.Model):
    """So many warm sandboxes wanted for something that is known to come: a class that begins at ten.

    A claim made while it runs takes one off; what is left is given up at `until`.
    """

    cluster = models.ForeignKey(Cluster, on_delete=models.CASCADE, related_name="reservations")
    profile = models.CharField(max_length=40)
    count = models.PositiveSmallIntegerField()
    created_at = models.DateTimeField(default=timezone.now)
    until = models.DateTimeField()
    reason = models.CharField(max_length=200, blank=True)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering: ClassVar = ["pk"]

    def __str__(self) -> str:
        return f"{self.count} {self.profile} until {self.until:%H:%M}"


class Sandbox(models.Model):
    """One student's Kafka.

    generation:    counts decisions of people and of the clock; work begun under an older one is void.
    lease_token:   the fencing token, one more for each lease given; a worker's writes carry its own.
    begun_at:      when the present start or wake began, for measured estimates.
    expires_at:    when it is put to sleep unless it is used before.
    needed_at:     when something last needed it awake; what nothing needs for a while is frozen.
    frozen:        its processes are stopped where they stand and use no CPU; a WARM or idle READY one.
    held_until:    an instructor or admin keeps it awake until then.
    retries:       how often a failure was tried again by itself since it was last ready or asked for.
    retry_at:      when the next such try is due.
    """

    class Wanted(models.TextChoices):
        PRESENT = "present"
        ABSENT = "absent"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.CASCADE, related_name="sandboxes"
    )
    cluster = models.ForeignKey(Cluster, null=True, on_delete=models.PROTECT, related_name="sandboxes")
    profile = models.CharField(max_length=40, default="kafka-1")

    state = models.CharField(max_length=20, choices=STATE_CHOICES, default=State.QUEUED.value)
    stage = models.CharField(max_length=40, blank=True)
    generation = models.PositiveBigIntegerField(default=1)
    wanted = models.CharField(max_length=10, choices=Wanted.choices, default=Wanted.PRESENT)
    detail = models.CharField(max_length=300, blank=True)
    state_since = models.DateTimeField(default=timezone.now)
    stage_since = models.DateTimeField(default=timezone.now)
    failures = models.PositiveSmallIntegerField(default=0)

    created_at = models.DateTimeField(default=timezone.now)
    queued_at = models.DateTimeField(default=timezone.now)
    begun_at = models.DateTimeField(null=True)
    handed_over_at = models.DateTimeField(null=True)
    last_activity_at = models.DateTimeField(null=True)
    last_activity_source = models.CharField(max_length=40, blank=True)
    expires_at = models.DateTimeField(null=True)
    needed_at = models.DateTimeField(default=timezone.now)
    frozen = models.BooleanField(default=False)
    held_until = models.DateTimeField(null=True)

    failure_cause = models.CharField(max_length=60, blank=True)
    failure_sentence = models.CharField(max_length=300, blank=True)
    failure_retryable = models.BooleanField(default=False)
    retries = models.PositiveSmallIntegerField(default=0)
    retry_at = models.DateTimeField(null=True)

    lease_holder = models.CharField(max_length=80, blank=True)
    lease_until = models.DateTimeField(null=True)
    lease_token = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["owner"], condition=Q(wanted="present"), name="sandboxes_one_live_per_owner"
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["state", "queued_at"], name="sandboxes_state_queue"),
        ]

    def __str__(self) -> str:
        return f"{self.id.hex[:8]} {self.state}"

    @property
    def hex(self) -> str:
        """The name by which a backend knows it."""
        return self.id.hex

    @property
    def now(self) -> State:
        """Its state as this object last saw it."""
        return State(self.state)

    @property
    def is_given_up(self) -> bool:
        """Whether it failed and is not tried again by itself: somebody has to do something."""
        return self.now is State.FAILED and self.retry_at is None

    @property
    def is_outgrown(self) -> bool:
        """Whether it failed by its owner's own doing, and not by ours."""
        return self.failure_cause in OUTGROWN

    @property
    def reference(self) -> str:
        """What a student quotes when asking for help."""
        return self.id.hex[:8]

    def move_to(
        self,
        new: State,
        *,
        actor: str,
        token: int | None = None,
        wish: bool = False,
        detail: str = "",
        by: User | None = None,
        reason: str = "",
        cause: str = "",
        only: Q | None = None,
        **fields: Any,
    ) -> bool:
        """Compare-and-set the state; False when somebody else changed it first, and nothing is written.

        actor:  who decided: "student", "instructor", "admin", "worker", "sweep", "backup"; kept in the event.
        by:     the person, when one decided; reason: why, in their own words, for the event.
        cause:  the code of what went wrong, for the event; of a failure its own is taken.
        token:  a worker's fencing token; the move fails once a later lease was given.
        wish:   a decision, not progress: it gets a new generation, which voids work begun before.
        only:   what else must still be true of the row, because the decision was made upon it.
        fields: other columns to set in the same write.

        Raises IllegalMove when the lifecycle has no such edge.
        """
        old, at = self.now, timezone.now()
        require_move(old, new)
        values = _entering(new, at) | {"detail": detail} | fields
        values["generation"] = self.generation + 1 if wish else self.generation
        with transaction.atomic():
            if not _unchanged(self, token).filter(only or Q()).update(**values):
                return False
            took_s = (at - self.state_since).total_seconds()
            _take_over(self, values)
            SandboxEvent.record(
                self, old=old, at=at, actor=actor, by=by, reason=reason, cause=cause, took_s=took_s
            )
            transaction.on_commit(partial(announce_state, self.id, new, ""))
        return True

    def note(self, *, token: int, **fields: Any) -> bool:
        """Write what is seen while the state lasts; False when the row or the lease has moved on."""
        if not _unchanged(self, token).update(**fields):
            return False
        _take_over(self, fields)
        return True

    def enter_stage(self, stage: str, *, token: int) -> bool:
        """Record that a start has reached its next stage, and tell the page."""
        at = timezone.now()
        took_s = (at - self.stage_since).total_seconds()
        with transaction.atomic():
            before = self.stage
            if not self.note(token=token, stage=stage, stage_since=at):
                return False
            event = SandboxEvent.objects.create(
                sandbox=self, at=at, kind=SandboxEvent.STAGE, old=before, new=stage,
                generation=self.generation, actor="worker", took_s=took_s,
            )  # fmt: skip
            transaction.on_commit(partial(metrics.noted, event, self))
            transaction.on_commit(partial(announce_state, self.id, self.now, stage))
        return True


def announce_state(sandbox_id: uuid.UUID, state: State, stage: str) -> None:
    """Tell the pages that look at a sandbox where it is now."""
    announce(sandbox_id, "sandbox", state=state.value, stage=stage)


def _entering(new: State, at: datetime) -> dict[str, Any]:
    """The columns that every entry into a state sets."""
    values: dict[str, Any] = {
        "state": new.value,
        "stage": "",
        "state_since": at,
        "stage_since": at,
        "failures": 0,
    }
    if new not in {State.WARM, State.BINDING}:
        values["frozen"] = False
    if new in {State.DELETING, State.DELETED, State.QUARANTINED}:
        values["wanted"] = Sandbox.Wanted.ABSENT
    return values


def _unchanged(sandbox: Sandbox, token: int | None) -> models.QuerySet[Sandbox]:
    """The row, if it is still what this object believes it to be."""
    rows = Sandbox.objects.filter(pk=sandbox.pk, state=sandbox.state, generation=sandbox.generation)
    return rows if token is None else rows.filter(lease_token=token)


def _take_over(sandbox: Sandbox, values: dict[str, Any]) -> None:
    for name, value in values.items():
        setattr(sandbox, name, value)


class SandboxEvent(models.Model):
    """Something that happened to a sandbox; written once, never changed.

    kind:   "move" between states, "stage" within one, "fault" put in or taken out, "act" for anything else
            that was done to it (new: "extend", "hold", "claim", "freeze", "thaw"...).
    actor:  "student", "instructor", "admin", "worker", "sweep" or "backup".
    by:     the person who did it, where one did; the events are the audit.
    cause:  of a failure or a break, its code.
    took_s: seconds spent in `old`.
    work_s: for a move to READY, seconds since the start or wake began (waiting in the queue not counted).
    """

    MOVE, STAGE, FAULT, ACT = "move", "stage", "fault", "act"

    sandbox = models.ForeignKey(Sandbox, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=10, default=MOVE)
    old = models.CharField(max_length=40, blank=True)
    new = models.CharField(max_length=40, blank=True)
    generation = models.PositiveBigIntegerField()
    actor = models.CharField(max_length=20)
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    detail = models.CharField(max_length=300, blank=True)
    cause = models.CharField(max_length=60, blank=True)
    took_s = models.FloatField(default=0.0)
    work_s = models.FloatField(default=0.0)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["kind", "new", "at"], name="sandboxes_event_kind")]

    def __str__(self) -> str:
        return f"{self.kind} {self.old} -> {self.new}"

    @classmethod
    def record(
        cls,
        sandbox: Sandbox,
        *,
        old: str,
        at: datetime,
        actor: str,
        by: User | None = None,
        reason: str = "",
        cause: str = "",
        took_s: float = 0.0,
    ) -> None:
        """Write the event of a move that has just been made."""
        began = sandbox.begun_at if sandbox.now is State.READY else None
        event = cls.objects.create(
            sandbox=sandbox, at=at, old=old, new=sandbox.state, generation=sandbox.generation,
            actor=actor, by=by, detail=reason[:300] or sandbox.detail, took_s=took_s,
            cause=sandbox.failure_cause if sandbox.now is State.FAILED else cause[:60],
            work_s=(at - began).total_seconds() if began else 0.0,
        )  # fmt: skip
        transaction.on_commit(partial(metrics.noted, event, sandbox))

    @classmethod
    def act(
        cls, sandbox: Sandbox, what: str, *, actor: str, by: User | None = None, detail: str = ""
    ) -> None:
        """Write down that something was done to a sandbox that is no move."""
        event = cls.objects.create(
            sandbox=sandbox, kind=cls.ACT, new=what, generation=sandbox.generation, actor=actor, by=by,
            detail=detail[:300],
        )  # fmt: skip
        transaction.on_commit(partial(metrics.noted, event, sandbox))


class FaultRecord(models.Model):
    """A fault that is, or was, in a sandbox; written before the fault is made, so no crash hides it.

    ms:        the delay of a "latency" fault, milliseconds.
    maker:     what kind of person, or what, put it in: "student" is the sandbox's owner, "check" a lab.
    folder:    whose programs it is for, as a lab's that it holds is; empty when it is for all.
    gave_way:  it was taken out before its task was over, and is put in again with a program of its folder.
    deadline:  when it is taken out, whatever happens.
    undone_at: when it was; empty while the fault may still be there.
    """

    sandbox = models.ForeignKey(Sandbox, on_delete=models.CASCADE, related_name="faults")
    kind = models.CharField(max_length=20)
    node = models.PositiveSmallIntegerField(default=1)
    ms = models.PositiveIntegerField(default=0)
    maker = models.CharField(max_length=20, blank=True)
    folder = models.CharField(max_length=60, blank=True)
    gave_way = models.BooleanField(default=False)
    injected_at = models.DateTimeField(default=timezone.now)
    deadline = models.DateTimeField()
    undone_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["undone_at", "deadline"], name="sandboxes_fault_due")]

    def __str__(self) -> str:
        return f"{self.kind} on node {self.node}"

    @property
    def is_owners(self) -> bool:
        """True when the sandbox's owner put it in; what a check put in ends with its task."""
        return self.maker == "student"
