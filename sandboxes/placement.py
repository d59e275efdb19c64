"""Which cluster a sandbox goes to, and whose turn it is to start.

Starting everything at once makes everybody wait for the slowest: starts are bounded by cores, first come,
first served (12 brokers three at a time: half the mean wait of all at once). Sandboxes for the pool start
only while no student waits, and never take all places.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Count, F, Q, QuerySet
from django.utils import timezone

from accounts.prepared import Prepared
from sandboxes.cores import usable_cores
from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox

FIRST_CLUSTER = "this machine"
CLOSED = (
    "No new sandboxes are started at the moment. Whoever runs this site has closed it to new ones. You can "
    "read on; ask your instructor when it opens again."
)


def choose_cluster() -> Cluster:
    """The open cluster with the fewest live sandboxes; the first one is made when there is none at all."""
    return choose_clusters(1)[0]


def is_closed() -> bool:
    """Whether no cluster takes new ones; a site without any makes its first when somebody starts."""
    openness = set(Cluster.objects.order_by().values_list("open", flat=True).distinct())
    return openness == {False}


def choose_clusters(count: int) -> list[Cluster]:
    """As many choices, one after the other, for so many who come at once."""
    # One read: between two, another of the very first students may make the first cluster.
    clusters = list(Cluster.objects.order_by("pk"))
    if not clusters:
        return [Cluster.objects.get_or_create(name=FIRST_CLUSTER)[0]] * count
    open_ones = [cluster for cluster in clusters if cluster.open]
    if not open_ones:
        raise NotPossibleNow(CLOSED)
    if len(open_ones) == 1:
        return open_ones * count
    return _emptiest_each_time(open_ones, count)


def _emptiest_each_time(clusters: list[Cluster], count: int) -> list[Cluster]:
    present = Count("sandboxes", filter=Q(sandboxes__wanted=Sandbox.Wanted.PRESENT))
    ids = [cluster.pk for cluster in clusters]
    held = dict(Cluster.objects.filter(pk__in=ids).annotate(present=present).values_list("pk", "present"))
    chosen = []
    for _ in range(count):
        chosen.append(min(clusters, key=lambda cluster: held.get(cluster.pk, 0)))
        held[chosen[-1].pk] = held.get(chosen[-1].pk, 0) + 1
    return chosen


def starts_at_once(cluster: Cluster) -> int:
    """How many may start at the same time there."""
    return cluster.starts_at_once or at_once_on(usable_cores())


def at_once_on(cores: int) -> int:
    """One core is left to the site; but a start also waits, and one at a time would leave two cores idle."""
    return min(cores, max(2, cores - 1))


def pool_starts_at_once(cluster: Cluster) -> int:
    """How many of those may be for the pool, so that a student who comes finds a place free."""
    return max(1, starts_at_once(cluster) // 2)


def predecessors(sandbox: Sandbox) -> QuerySet[Sandbox]:
    """Sandboxes of the same owner that are still being removed: nobody has two at a time."""
    return Sandbox.objects.filter(owner=sandbox.owner_id, state=State.DELETING).exclude(owner=None)


def place_in_queue(sandbox: Sandbox) -> int:
    """1 for the next one to start; counts those of the same cluster that asked before and could start."""
    return queue(sandbox.cluster_id).filter(_before(sandbox)).count() + 1


def _before(sandbox: Sandbox) -> Q:
    same_time = Q(queued_at=sandbox.queued_at, pk__lt=sandbox.pk)
    return Q(queued_at__lt=sandbox.queued_at) | same_time


def queue(cluster_id: int | None) -> QuerySet[Sandbox]:
    """Students who wait for room, first come first, without those who wait for their former sandbox to go."""
    waiting = Sandbox.objects.filter(state=State.QUEUED, cluster=cluster_id).exclude(owner=None)
    return waiting.exclude(owner__in=leaving().values("owner")).order_by("queued_at", "pk")


def leaving() -> QuerySet[Sandbox]:
    """Students' sandboxes that are being removed; until they are, their owners' next ones wait."""
    return Sandbox.objects.filter(state=State.DELETING).exclude(owner=None)


def under_way(cluster_id: int | None) -> QuerySet[Sandbox]:
    """Sandboxes that start or wake now. A warm one being handed over is not started, so it takes no place."""
    starting = Q(state=State.PROVISIONING) | Q(state=State.BINDING, frozen=False)
    waking = Q(state=State.RESUMING, begun_at__isnull=False)
    return Sandbox.objects.filter(starting | waking, cluster=cluster_id)


# Everybody who wants to start or waits has it asked.
_under_way = Prepared(int, query=lambda cluster_id: under_way(cluster_id).values_list("begun_at"))


def under_way_since(cluster: Cluster) -> list[datetime | None]:
    """When each of them began."""
    return [begun_at for (begun_at,) in _under_way.rows(cluster.pk)]


def _waking(cluster_id: int | None) -> QuerySet[Sandbox]:
    """Those who are to wake and have not been given room yet."""
    return Sandbox.objects.filter(state=State.RESUMING, begun_at=None, cluster=cluster_id).order_by(
        "queued_at"
    )


def free_places(cluster: Cluster) -> int:
    """How many more could start there now; less than none when the number was lowered meanwhile."""
    return starts_at_once(cluster) - len(_under_way.raw(cluster.pk))


def has_room(cluster: Cluster | None) -> bool:
    """Whether somebody who waits there could start now."""
    return cluster is None or free_places(cluster) > 0


def _free_for_pool(cluster: Cluster) -> int:
    """Places that the pool may take now: none while a student waits."""
    if queue(cluster.pk).exists() or _waking(cluster.pk).exists():
        return 0
    begun = under_way(cluster.pk).filter(owner=None).count()
    return min(free_places(cluster), pool_starts_at_once(cluster) - begun)


def lock(cluster: Cluster) -> Cluster:
    """Take turns: the update holds the cluster's row until the transaction ends, on every database."""
    Cluster.objects.filter(pk=cluster.pk).update(admissions=F("admissions") + 1)
    return cluster


def admit(sandbox: Sandbox, *, token: int) -> bool:
    """Move a queued sandbox to PROVISIONING if it is its turn and there is room; False otherwise."""
    with transaction.atomic():
        # First the lock: a place counted before it may be out of date.
        cluster = lock(sandbox.cluster or choose_cluster())
        if not _has_turn(sandbox, cluster):
            return False
        return sandbox.move_to(State.PROVISIONING, actor="worker", token=token, begun_at=timezone.now())


def _has_turn(sandbox: Sandbox, cluster: Cluster) -> bool:
    if sandbox.owner_id is None:
        return _free_for_pool(cluster) > 0
    return place_in_queue(sandbox) <= free_places(cluster)


def admit_wake(sandbox: Sandbox, *, token: int) -> bool:
    """Give a sandbox that is to wake its room; True when it has some already."""
    if sandbox.begun_at is not None:
        return True
    with transaction.atomic():
        if free_places(lock(sandbox.cluster or choose_cluster())) <= 0:
            return False
        return sandbox.note(token=token, begun_at=timezone.now())


def next_in_line(cluster_id: int | None) -> tuple[UUID, ...]:
    """The sandboxes whose turn it is now, to be rung: those that only have to wake, students, the pool."""
    cluster = Cluster.objects.filter(pk=cluster_id).first() if cluster_id else None
    free = free_places(cluster) if cluster else 0
    if cluster is None or free <= 0:
        return ()
    waking = tuple(_waking(cluster_id).values_list("pk", flat=True)[:free])
    queued = tuple(queue(cluster_id).values_list("pk", flat=True)[:free])
    return (*waking, *queued)[:free] or _next_of_pool(cluster)


def _next_of_pool(cluster: Cluster) -> tuple[UUID, ...]:
    waiting = Sandbox.objects.filter(state=State.QUEUED, cluster=cluster, owner=None).order_by("queued_at")
    return tuple(waiting.values_list("pk", flat=True)[: max(0, _free_for_pool(cluster))])
