"""What a panel is made from, read in the same few queries for one student or for all who ask at a moment."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import DEFAULT_DB_ALIAS, InterfaceError, OperationalError
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Prepared, Row
from sandboxes import placement, provisioning
from sandboxes.backends.base import BackendError, Tier
from sandboxes.gathering import Gathered
from sandboxes.lifecycle import State
from sandboxes.line import Line, line_of
from sandboxes.models import Cluster, FaultRecord, Sandbox
from sandboxes.word_of_staff import LONGEST, Word, acts_of_staff, words_of_staff


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One student's sandbox at a moment; None when there is none.

    staff:  what staff did to it, when that still matters.
    faults: what is in it on purpose, by whomever.
    line:   the queue it stands in, while it does.
    tier:   how well programs are held there, or would be. When nobody can tell: "off" of a sandbox, else "".
    """

    at: datetime
    sandbox: Sandbox | None
    staff: Word | None = None
    faults: Sequence[FaultRecord] = ()
    line: Line | None = None
    tier: str = ""


def look(user: User) -> Look:
    """At the user's own sandbox, now."""
    return _looks.ask(user)


def look_at_new(sandboxes: Sequence[Sandbox]) -> list[Look]:
    """At some that have just been given to their owners: of these there is less to read."""
    now = timezone.now()
    owners = [sandbox.owner for sandbox in sandboxes if sandbox.owner is not None]
    acted = set(_acted_for.raw(now - LONGEST, many=[owner.pk for owner in owners]))
    news: list[Any] = list(sandboxes)
    for sandbox in news:
        sandbox.has_faults, sandbox.staff_acted = False, (sandbox.owner_id,) in acted
    return _looks_of(owners, news, now)


def _look_at_all(users: Sequence[User]) -> list[Look]:
    now = timezone.now()
    return _looks_of(users, _live(users, now), now)


def _looks_of(users: Sequence[User], sandboxes: Iterable[Any], now: datetime) -> list[Look]:
    """sandboxes: those that the users have, with `has_faults` and `staff_acted`."""
    live = {sandbox.owner_id: sandbox for sandbox in sandboxes}
    words = _words({user.pk: live.get(user.pk) for user in users}, now)
    faults, lines, tiers = _faults(live.values()), _lines(live.values()), _tiers(live.values())
    offered = _tier(None, unknown="") if len(live) < len(users) else ""

    def one(user: User) -> Look:
        sandbox, staff = live.get(user.pk), words.get(user.pk)
        if sandbox is None:
            return Look(at=now, sandbox=None, staff=staff, tier=offered)
        line = lines.get((sandbox.cluster_id, sandbox.profile)) if sandbox.now is State.QUEUED else None
        found, tier = faults.get(sandbox.pk, ()), tiers[sandbox.cluster_id]
        return Look(at=now, sandbox=sandbox, staff=staff, faults=found, line=line, tier=tier)

    return [one(user) for user in users]


def _query(since: datetime, owners: Sequence[int]) -> QuerySet[Any, Row]:
    """A sandbox, its cluster, and whether there is more to read of it; for each owner who has one."""
    live = Sandbox.objects.filter(owner__in=owners, wanted=Sandbox.Wanted.PRESENT)
    has_faults = Exists(FaultRecord.objects.filter(sandbox=OuterRef("pk"), undone_at=None))
    staff_acted = Exists(acts_of_staff(since).filter(sandbox__owner=OuterRef("owner")))
    of_cluster = [f"cluster__{name}" for name in _OF_CLUSTER]
    return live.values_list(*_OF_SANDBOX, *of_cluster, has_faults, staff_acted)


_OF_SANDBOX = [field.attname for field in Sandbox._meta.concrete_fields]  # noqa: SLF001 - documented as public
_OF_CLUSTER = [field.attname for field in Cluster._meta.concrete_fields]  # noqa: SLF001
_live_of = Prepared(datetime, many=int, query=_query)
_acted_for = Prepared(
    datetime,
    many=int,
    query=lambda since, owners: (
        acts_of_staff(since).filter(sandbox__owner__in=owners).order_by().values_list("sandbox__owner")
    ),
)


def _live(users: Sequence[User], now: datetime) -> Iterable[Any]:
    """Their sandboxes, with what `_query` asks of each."""
    for row in _live_of.rows(now - LONGEST, many=[user.pk for user in users]):
        *fields, has_faults, staff_acted = row
        sandbox: Any = Sandbox.from_db(DEFAULT_DB_ALIAS, _OF_SANDBOX, fields[: len(_OF_SANDBOX)])
        if sandbox.cluster_id is not None:
            sandbox.cluster = Cluster.from_db(DEFAULT_DB_ALIAS, _OF_CLUSTER, fields[len(_OF_SANDBOX) :])
        sandbox.has_faults, sandbox.staff_acted = has_faults, staff_acted
        yield sandbox


def _words(live: Mapping[int, Any], now: datetime) -> Mapping[int, Word]:
    """Of a sandbox that is gone there is no row to say whether staff did that."""
    asked = {owner: sandbox for owner, sandbox in live.items() if sandbox is None or sandbox.staff_acted}
    return words_of_staff(asked, now=now) if asked else {}


def _faults(live: Iterable[Any]) -> Mapping[UUID, Sequence[FaultRecord]]:
    """Of those that have any, by sandbox."""
    found: dict[UUID, list[FaultRecord]] = defaultdict(list)
    broken = [sandbox.pk for sandbox in live if sandbox.has_faults]
    for record in _active(broken) if broken else ():
        found[record.sandbox_id].append(record)
    return found


def _active(broken: Sequence[UUID]) -> Iterable[FaultRecord]:
    return FaultRecord.objects.filter(sandbox__in=broken, undone_at=None)


def _lines(live: Iterable[Sandbox]) -> Mapping[tuple[int | None, str], Line]:
    """The queues that some of them stand in, by cluster and profile."""
    queued = [sandbox for sandbox in live if sandbox.now is State.QUEUED]
    places = {(one.cluster_id, one.profile): one.cluster or placement.choose_cluster() for one in queued}
    return {key: line_of(cluster, key[1]) for key, cluster in places.items()}


def _tiers(live: Iterable[Sandbox]) -> Mapping[int | None, str]:
    """By cluster."""
    return {key: _tier(one) for key, one in {sandbox.cluster_id: sandbox for sandbox in live}.items()}


def _tier(sandbox: Sandbox | None, *, unknown: str = Tier.OFF.value) -> str:
    try:
        return provisioning.tier(sandbox).value
    except BackendError:
        return unknown


_looks = Gathered(_look_at_all, of_all=(OperationalError, InterfaceError))
