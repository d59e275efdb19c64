"""Which cluster a sandbox goes to, and whose turn it is to start.

Starting everything at once makes everybody wait for the slowest: starts are bounded by cores, first come,
first served (12 brokers three at a time: half the mean wait of all at once).
"""

import os
from uuid import UUID

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox

FIRST_CLUSTER = "here"


def choose_cluster() -> Cluster:
    """The open cluster with the fewest live sandboxes; the first one is made when there is none at all."""
    open_ones = list(Cluster.objects.filter(open=True).order_by("pk"))
    if not open_ones and Cluster.objects.exists():
        raise NotPossibleNow("No new sandboxes are started at the moment. Try again later.")
    if not open_ones:
        return Cluster.objects.get_or_create(name=FIRST_CLUSTER)[0]
    return min(open_ones, key=lambda cluster: cluster.sandboxes.filter(wanted="present").count())


def starts_at_once(cluster: Cluster) -> int:
    """How many may start at the same time there, at least one."""
    return cluster.starts_at_once or max(1, (os.cpu_count() or 2) - 1)


def predecessors(sandbox: Sandbox) -> QuerySet[Sandbox]:
    """Sandboxes of the same owner that are still being removed: nobody has two at a time."""
    return Sandbox.objects.filter(owner=sandbox.owner_id, state=State.DELETING).exclude(owner=None)


def place_in_queue(sandbox: Sandbox) -> int:
    """1 for the next one to start; counts those of the same cluster that asked before and could start."""
    same_time = Q(queued_at=sandbox.queued_at, pk__lt=sandbox.pk)
    before = Q(queued_at__lt=sandbox.queued_at) | same_time
    return _queue(sandbox.cluster_id).filter(before).count() + 1


def _queue(cluster_id: int | None) -> QuerySet[Sandbox]:
    """Those who wait for room, without those who wait for their own former sandbox to go."""
    leaving = Sandbox.objects.filter(state=State.DELETING).exclude(owner=None).values("owner")
    return Sandbox.objects.filter(state=State.QUEUED, cluster=cluster_id).exclude(owner__in=leaving)


def _waking() -> QuerySet[Sandbox]:
    """Those who are to wake and have not been given room yet."""
    return Sandbox.objects.filter(state=State.RESUMING, begun_at=None)


def _free_places(cluster: Cluster) -> int:
    starting = Q(state__in=[State.PROVISIONING, State.BINDING])
    waking = Q(state=State.RESUMING, begun_at__isnull=False)
    return starts_at_once(cluster) - Sandbox.objects.filter(starting | waking, cluster=cluster).count()


def _lock(sandbox: Sandbox) -> Cluster:
    """Take turns: the update holds the cluster's row until the transaction ends, on every database."""
    cluster = sandbox.cluster or choose_cluster()
    Cluster.objects.filter(pk=cluster.pk).update(admissions=F("admissions") + 1)
    return cluster


def admit(sandbox: Sandbox, *, token: int) -> bool:
    """Move a queued sandbox to PROVISIONING if it is its turn and there is room; False otherwise."""
    with transaction.atomic():
        free = _free_places(_lock(sandbox))  # first the lock: a place counted before it may be out of date
        if place_in_queue(sandbox) > free:
            return False
        return sandbox.move_to(State.PROVISIONING, actor="worker", token=token, begun_at=timezone.now())


def admit_wake(sandbox: Sandbox, *, token: int) -> bool:
    """Give a sandbox that is to wake its room; True when it has some already."""
    if sandbox.begun_at is not None:
        return True
    with transaction.atomic():
        if _free_places(_lock(sandbox)) <= 0:
            return False
        return sandbox.note(token=token, begun_at=timezone.now())


def next_in_line(cluster_id: int | None) -> tuple[UUID, ...]:
    """The waiting sandboxes whose turn it is now, to be rung; those that only have to wake come first."""
    cluster = Cluster.objects.filter(pk=cluster_id).first() if cluster_id else None
    free = _free_places(cluster) if cluster else 0
    if free <= 0:
        return ()
    waking = _waking().filter(cluster=cluster).order_by("queued_at").values_list("pk", flat=True)[:free]
    queued = _queue(cluster_id).order_by("queued_at", "pk").values_list("pk", flat=True)[:free]
    return (*waking, *queued)[:free]
