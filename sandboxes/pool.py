"""Warm sandboxes that belong to nobody yet: started, proven, frozen, and given to the next who press Start.

How many there are follows from how often one is taken and how long it takes to replace it, and from what was
reserved. A claim is a compare-and-set on the row, so no two students ever get the same one.
"""

import logging
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Prepared
from sandboxes import fresh, placement, provisioning, queueing
from sandboxes.backends.base import BackendError, Observation, Phase
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, PoolReservation, Sandbox, SandboxEvent, announce_state

logger = logging.getLogger(__name__)

PROFILES = ("kafka-1",)
# The event of a hand-over says so, because a warm start tells nothing of how long a cold one takes.
HAND_OVER = "taken warm from the pool"
RATE_WINDOW = timedelta(minutes=15)
# A sweep finds the gap up to ten seconds later; then a sandbox starts and is proven.
SWEEP_S = 10.0
ASSUMED_START_S = 3.0
# A broker whose controller session (24 h) runs out while it is frozen wakes slowly, so none grows that old.
OLDEST = timedelta(hours=12)
TOO_OLD = "It grew too old to be kept warm."
WITH_SITE = "It was stopped with the site."
# No backup holds what is nobody's, and one that died leaves its folder, or whatever a backend has for one.
NOT_THERE = "Nothing of it is there, as after a backup was put back."
# What a backend says of what ended while none of the site was there.
_ENDED_WITH_SITE = "host_restarted"
_NO_TROUBLE = {TOO_OLD, WITH_SITE, NOT_THERE}
# What is too many stays for a while: the next rush may be near.
SURPLUS_STAYS = timedelta(minutes=10)
TROUBLE_WINDOW = timedelta(minutes=5)
TROUBLES = 3
# A reservation lasts a day at most: what ended before that has run beside none that still runs.
_SHARED_WITHIN = timedelta(days=1)
# In a rush all that one look has found may be taken by others; then there may be more behind them.
_CANDIDATES, _LOOKS = 30, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """How many warm sandboxes a cluster should have, and why; `by_rule` is bounded by the setting."""

    by_rule: int
    reserved: int

    @property
    def wanted(self) -> int:
        return max(self.by_rule, self.reserved)


def members(cluster: Cluster, profile: str) -> QuerySet[Sandbox]:
    """Sandboxes of the pool, warm or on their way."""
    on_the_way = [State.QUEUED, State.PROVISIONING, State.WARM]
    return Sandbox.objects.filter(cluster=cluster, profile=profile, owner=None, state__in=on_the_way)


def has_warm(profile: str) -> bool:
    """Whether pressing Start would find one."""
    return bool(_some_warm.raw(profile))


def _to_take(profile: str, *states: State) -> QuerySet[Sandbox]:
    return Sandbox.objects.filter(owner=None, profile=profile, cluster__open=True, state__in=states)


# In a rush the pool is empty nearly always, and everybody asks.
_some_warm = Prepared(str, query=lambda profile: _to_take(profile, State.WARM).values_list("pk")[:1])
_some = Prepared(
    str, query=lambda profile: _to_take(profile, State.WARM, State.PROVISIONING).values_list("pk")[:1]
)


# -- taking one --------------------------------------------------------------------------------------------


def claim(user: User, profile: str, *, actor: str, by: User | None) -> Sandbox | None:
    """Give the user a warm sandbox, or one that is starting for the pool; None when there is neither.

    Raises IntegrityError when the user has a live sandbox already.
    """
    for _ in range(_LOOKS):
        candidates = _candidates(profile)
        if not candidates:
            break
        for sandbox in candidates:
            take = _hand_over if sandbox.now is State.WARM else _adopt
            if take(sandbox, user, actor=actor, by=by):
                logger.info("pool.claimed", extra={"sandbox": sandbox.hex, "was": sandbox.state})
                return sandbox
    return None


def _candidates(profile: str) -> list[Sandbox]:
    """Warm ones in any order, so that claimers do not meet at one; then starts, the furthest first."""
    if not _some.raw(profile):
        return []
    free = _to_take(profile, State.WARM, State.PROVISIONING).select_related("cluster")
    there = list(
        free.order_by("-state", "begun_at")[:_CANDIDATES]
    )  # "warm" comes after "provisioning" in the alphabet, so here first
    warm = [sandbox for sandbox in there if sandbox.now is State.WARM]
    random.shuffle(warm)
    return warm + [sandbox for sandbox in there if sandbox.now is State.PROVISIONING]


def _hand_over(sandbox: Sandbox, user: User, *, actor: str, by: User | None) -> bool:
    now = timezone.now()
    return sandbox.move_to(
        State.BINDING, actor=actor, by=by, wish=True, owner=user, queued_at=now, begun_at=now
    )


def _adopt(sandbox: Sandbox, user: User, *, actor: str, by: User | None) -> bool:
    """A start for the pool becomes a student's on its way; the worker's step is void and goes on anew."""
    now, generation = timezone.now(), sandbox.generation + 1
    row = Sandbox.objects.filter(
        pk=sandbox.pk, state=State.PROVISIONING, generation=sandbox.generation, owner=None
    )
    with transaction.atomic():
        if not row.update(owner=user, generation=generation, queued_at=now):
            return False
        sandbox.owner, sandbox.generation, sandbox.queued_at = user, generation, now
        SandboxEvent.act(sandbox, "claim", actor=actor, by=by)
        transaction.on_commit(lambda: announce_state(sandbox.pk, sandbox.now, sandbox.stage))
    return True


# -- how many ----------------------------------------------------------------------------------------------


def stock(cluster: Cluster, profile: str) -> Stock:
    """How many warm sandboxes there should be now."""
    if not cluster.open:
        return Stock(by_rule=0, reserved=0)
    now = timezone.now()
    per_second = _demand(cluster, profile, since=now - RATE_WINDOW).count() / RATE_WINDOW.total_seconds()
    rule = queueing.base_stock(per_second, _refill_s(cluster, profile))
    return Stock(
        by_rule=min(rule, settings.WARM_POOL),
        reserved=sum(left_of_reservations(cluster, profile, now).values()),
    )


def claims(cluster: Cluster, profile: str, *, since: datetime) -> QuerySet[SandboxEvent]:
    """Starts that got a warm sandbox."""
    taken = SandboxEvent.objects.filter(kind=SandboxEvent.MOVE, old=State.WARM, new=State.BINDING)
    return taken.filter(sandbox__cluster=cluster, sandbox__profile=profile, at__gte=since)


def misses(cluster: Cluster, profile: str, *, since: datetime) -> QuerySet[SandboxEvent]:
    """Starts that found none, or only one that was not ready yet."""
    cold = Q(kind=SandboxEvent.MOVE, old="", new=State.QUEUED)
    half_way = Q(kind=SandboxEvent.ACT, new="claim")
    found = SandboxEvent.objects.filter(cold | half_way).exclude(actor="sweep")
    return found.filter(sandbox__cluster=cluster, sandbox__profile=profile, at__gte=since)


def _demand(cluster: Cluster, profile: str, *, since: datetime) -> QuerySet[SandboxEvent]:
    found = claims(cluster, profile, since=since).values("pk")
    lacked = misses(cluster, profile, since=since).values("pk")
    return SandboxEvent.objects.filter(Q(pk__in=found) | Q(pk__in=lacked))


def _refill_s(cluster: Cluster, profile: str) -> float:
    """From a claim to the next warm one in its place."""
    warmed = SandboxEvent.objects.filter(kind=SandboxEvent.MOVE, old=State.PROVISIONING, new=State.WARM)
    recent = warmed.filter(sandbox__cluster=cluster, sandbox__profile=profile).order_by("-at")[:20]
    took_s = list(recent.values_list("took_s", flat=True))
    return SWEEP_S + (median(took_s) if took_s else ASSUMED_START_S)


def left_of_reservations(cluster: Cluster, profile: str, now: datetime) -> dict[int, int]:
    """What is left of each reservation that runs, by its id.

    Each claim takes one off one of them: of those that ran at that moment, and had some left, the one that
    ends first. Reservations that are over took claims in their time, and so are looked at, too.
    """
    ours = PoolReservation.objects.filter(cluster=cluster, profile=profile)
    running = {one.pk for one in ours.filter(until__gt=now)}
    if not running:
        return {}
    lately = list(ours.filter(until__gt=now - _SHARED_WITHIN).order_by("until", "pk"))
    left = {one.pk: one.count for one in lately}
    since = min(one.created_at for one in lately)
    for at in claims(cluster, profile, since=since).order_by("at").values_list("at", flat=True):
        taken_from = next((o.pk for o in lately if o.created_at <= at < o.until and left[o.pk]), None)
        if taken_from is not None:
            left[taken_from] -= 1
    return {pk: count for pk, count in left.items() if pk in running}


# -- keeping it so -----------------------------------------------------------------------------------------


def tend(seen: Mapping[UUID, Observation], *, unseen: frozenset[int] = frozenset()) -> list[UUID]:
    """Remove what is dead, old or too much, and order what is missing; the sandboxes to ring.

    seen: what every backend holds; unseen: clusters whose backend could not be asked, left alone.
    """
    rung: list[UUID] = []
    for cluster in _clusters():
        if cluster.pk in unseen:
            continue
        for profile in PROFILES:
            rung += _remove_the_bad(cluster, profile, seen)
            rung += _balance(cluster, profile)
    return rung


def _clusters() -> list[Cluster]:
    """All of them; the first is made when somebody wants a pool and no student was here yet."""
    if settings.WARM_POOL and not Cluster.objects.exists():
        placement.choose_cluster()
    return list(Cluster.objects.order_by("pk"))


def _remove_the_bad(cluster: Cluster, profile: str, seen: Mapping[UUID, Observation]) -> Iterator[UUID]:
    """What failed, what died while it was frozen, and what is too old to wake quickly."""
    mine = Sandbox.objects.filter(cluster=cluster, profile=profile, owner=None)
    for sandbox in mine.filter(state__in=[State.WARM, State.FAILED]):
        why = _what_is_wrong(sandbox, seen.get(sandbox.pk))
        if why and sandbox.move_to(State.DELETING, actor="sweep", wish=True, detail=why):
            level = logging.INFO if why in _NO_TROUBLE else logging.WARNING
            logger.log(level, "pool.removed", extra={"sandbox": sandbox.hex, "why": why})
            yield sandbox.pk


def _what_is_wrong(sandbox: Sandbox, seen: Observation | None) -> str:
    if sandbox.now is State.FAILED:
        return sandbox.failure_sentence or "It did not start."
    if seen is None:
        return NOT_THERE
    if seen.cause == _ENDED_WITH_SITE:
        return WITH_SITE
    if seen.phase is not Phase.RUNNING:
        return "It died while it was kept warm."
    return TOO_OLD if timezone.now() - sandbox.state_since > OLDEST else ""


def _balance(cluster: Cluster, profile: str) -> list[UUID]:
    """Bring the number of sandboxes in the pool to the number wanted, as far as may be now."""
    wanted, there = stock(cluster, profile).wanted, members(cluster, profile)
    room = _room(cluster) if there.count() < wanted else 0
    with transaction.atomic():
        placement.lock(cluster)  # two sweeps at once must not both fill the same gap
        excess = there.count() - wanted
        if excess < 0:
            return _grow(cluster, profile, min(-excess, room))
        return _shrink(there, excess)


def _shrink(there: QuerySet[Sandbox], excess: int) -> list[UUID]:
    """First what has not begun, then what has been too much for a while, oldest first."""
    settled = Q(state=State.WARM, state_since__lt=timezone.now() - SURPLUS_STAYS)
    doomed = there.filter(settled | Q(state=State.QUEUED)).order_by("state", "state_since")[:excess]
    return [
        sandbox.pk
        for sandbox in doomed
        if sandbox.move_to(State.DELETING, actor="sweep", wish=True, detail="The pool holds enough.")
    ]


def _grow(cluster: Cluster, profile: str, missing: int) -> list[UUID]:
    """Order so many; they start when no student waits."""
    if _is_in_trouble(cluster) or placement.queue(cluster.pk).exists():
        return []
    made = fresh.add([None] * missing, clusters=[cluster] * missing, profile=profile, actor="sweep")
    return [sandbox.pk for sandbox in made]


def _is_in_trouble(cluster: Cluster) -> bool:
    """Several did not start a moment ago: more of the same would only keep the machine busy."""
    failed = SandboxEvent.objects.filter(
        kind=SandboxEvent.MOVE, new=State.FAILED, at__gte=timezone.now() - TROUBLE_WINDOW
    )
    return failed.filter(sandbox__cluster=cluster, sandbox__owner=None).count() >= TROUBLES


def _room(cluster: Cluster) -> int:
    try:
        return provisioning.backend_for(cluster).room()
    except BackendError:
        return 0
