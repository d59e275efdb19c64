"""Starts that are asked for at the same moment, written together.

A rush is many who have no sandbox and find no warm one: they get their rows in one transaction. Who has a
sandbox already is served by `services`, like anybody who asks alone. What each of them then sees is looked at
together as well.
"""

import logging
from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass

from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import Q

from accounts.models import User
from accounts.prepared import Prepared
from sandboxes import fresh, placement, pool, services
from sandboxes.gathering import Gathered
from sandboxes.lifecycle import State
from sandboxes.looks import Look, look, look_at_new
from sandboxes.models import Sandbox
from sandboxes.tasks import doorbell_on_commit

logger = logging.getLogger(__name__)

PROFILE = "kafka-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """look: at the sandbox; rings: whether there is something to do at once, others are rung for later."""

    sandbox: Sandbox
    look: Look
    rings: bool


def start(user: User) -> Look:
    """As `services.request_sandbox`, for somebody who presses Start as many others may at this moment.

    Where that has led to.
    """
    try:
        begun = _starts.ask(user)
    except IntegrityError:  # another process was first
        begun = None
    if begun is None:
        services.request_sandbox(user)
        return look(user)
    if begun.sandbox.now is State.QUEUED:
        logger.info("sandbox.requested", extra={"sandbox": begun.sandbox.hex})
    if begun.rings:
        doorbell_on_commit(begun.sandbox.pk)
    return begun.look


def _start_all(users: Sequence[User]) -> list[_Begun | None]:
    """What begins for each; None for those who have a sandbox, and for a second press of the same person."""
    held = set(_held.raw(many=[user.pk for user in users]))
    lacking = {user.pk: user for user in users if (user.pk, Sandbox.Wanted.PRESENT.value) not in held}
    held_up = {owner for owner, wanted in held if wanted == Sandbox.Wanted.ABSENT}
    given = list(_give(list(lacking.values()), held_up))
    looks = look_at_new([sandbox for sandbox, _ in given])
    begun = {
        sandbox.owner_id: _Begun(sandbox=sandbox, look=seen, rings=rings)
        for (sandbox, rings), seen in zip(given, looks, strict=True)
    }
    return [begun.pop(user.pk, None) for user in users]


# The sandbox that somebody has, and those that have not gone yet, which their next one has to wait for.
_held = Prepared(
    many=int,
    query=lambda owners: Sandbox.objects.filter(
        Q(wanted=Sandbox.Wanted.PRESENT) | Q(state=State.DELETING), owner__in=owners
    ).values_list("owner", "wanted"),
)


def _give(users: list[User], held_up: Set[int]) -> Iterator[tuple[Sandbox, bool]]:
    """Warm ones to as many as there are, new ones to the others; and whether each rings."""
    for number, user in enumerate(users):
        sandbox = pool.claim(user, PROFILE, actor="student", by=None)
        if sandbox is None:
            yield from _give_new(users[number:], held_up)
            return
        yield sandbox, True


def _give_new(users: Sequence[User], held_up: Set[int]) -> Iterator[tuple[Sandbox, bool]]:
    """Only for the first of them there may be room; asked after the commit, as when somebody asks alone."""
    clusters = placement.choose_clusters(len(users))
    made = fresh.add(users, clusters=clusters, profile=PROFILE, actor="student")
    free = {cluster.pk: placement.free_places(cluster) for cluster in set(clusters)}
    for sandbox, cluster in zip(made, clusters, strict=True):
        yield sandbox, free[cluster.pk] > 0
        free[cluster.pk] -= sandbox.owner_id not in held_up


_starts = Gathered(_start_all, of_all=(OperationalError, InterfaceError))
