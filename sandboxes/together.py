"""Starts that are asked for at the same moment, written together.

A rush is many who have no sandbox and find no warm one: they get their rows in one transaction. Who has a
sandbox already is served by `services`, like anybody who asks alone.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from django.db import IntegrityError, InterfaceError, OperationalError

from accounts.models import User
from sandboxes import fresh, placement, pool, services
from sandboxes.gathering import Gathered
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox
from sandboxes.tasks import doorbell_on_commit

logger = logging.getLogger(__name__)

PROFILE = "kafka-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """rings: whether there is something to do at once; who has to wait is rung for later."""

    sandbox: Sandbox
    rings: bool


def start(user: User) -> Sandbox:
    """As `services.request_sandbox`, for somebody who presses Start as many others may at this moment."""
    try:
        begun = _starts.ask(user)
    except IntegrityError:  # another process was first
        begun = None
    if begun is None:
        return services.request_sandbox(user)
    if begun.sandbox.now is State.QUEUED:
        logger.info("sandbox.requested", extra={"sandbox": begun.sandbox.hex})
    if begun.rings:
        doorbell_on_commit(begun.sandbox.pk)
    return begun.sandbox


def _start_all(users: Sequence[User]) -> list[_Begun | None]:
    """What begins for each; None for those who have a sandbox, and for a second press of the same person."""
    present = Sandbox.objects.filter(owner__in=users, wanted=Sandbox.Wanted.PRESENT)
    served = set(present.values_list("owner", flat=True))
    lacking = {user.pk: user for user in users if user.pk not in served}
    begun = {one.sandbox.owner_id: one for one in _begin(list(lacking.values()))}
    return [begun.pop(user.pk, None) for user in users]


def _begin(users: list[User]) -> Iterator[_Begun]:
    """Warm ones for as many as there are, new ones for the others."""
    for number, user in enumerate(users):
        sandbox = pool.claim(user, PROFILE, actor="student", by=None)
        if sandbox is None:
            yield from _begin_anew(users[number:])
            return
        yield _Begun(sandbox=sandbox, rings=True)


def _begin_anew(users: Sequence[User]) -> Iterator[_Begun]:
    """Only for the first of them there may be room; asked after the commit, as when somebody asks alone."""
    clusters = placement.choose_clusters(len(users))
    made = fresh.add(users, clusters=clusters, profile=PROFILE, actor="student")
    free = {cluster.pk: placement.free_places(cluster) for cluster in set(clusters)}
    held_up = set(placement.leaving().filter(owner__in=users).values_list("owner", flat=True))
    for sandbox, cluster in zip(made, clusters, strict=True):
        yield _Begun(sandbox=sandbox, rings=free[cluster.pk] > 0)
        free[cluster.pk] -= sandbox.owner_id not in held_up


_starts = Gathered(_start_all, of_all=(OperationalError, InterfaceError))
