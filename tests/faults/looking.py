# ruff: noqa: E402  Django has to be set up before models can be imported
"""What a test asks of a whole site, from a process of that site: it looks, and may press as people do."""

from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import django

django.setup()

from django.utils import timezone

from config import heartbeat, paths, readiness
from lessons.models import Answer, Attempt, HintOpened, TaskProgress, VerdictRow
from sandboxes import placement, services, tasks
from sandboxes.lifecycle import PASSING, State
from sandboxes.models import Cluster, PoolReservation, Sandbox, SandboxEvent
from tests.sandboxes import commands
from tests.sandboxes.driving import user

# -- the site ----------------------------------------------------------------------------------------------


def heard(seconds: str) -> float:
    """Until a worker has executed a new heartbeat."""
    since = timezone.now()

    def is_new() -> bool:
        age_s = heartbeat.age_s()
        return age_s is not None and timezone.now() - timedelta(seconds=age_s) > since

    return commands.until(is_new, seconds, said=heartbeat.age_s)


def ready() -> dict[str, bool]:
    """Which parts of the site are."""
    return {part.name: part.ready for part in readiness.parts()}


def is_ready(seconds: str) -> float:
    """Until every part of the site is."""
    return commands.until(lambda: all(ready().values()), seconds, said=ready)


def host_socket() -> str:
    """Where the sandbox host listens."""
    return str(paths.HOST_SOCKET)


def progress() -> list[str]:
    """All that students have to show for their work."""
    kinds: tuple[Any, ...] = (Attempt, TaskProgress, VerdictRow, Answer, HintOpened)
    return [repr(row) for kind in kinds for row in kind.objects.order_by("pk").values()]


# -- somebody's sandbox ------------------------------------------------------------------------------------


def lost_start(name: str) -> str:
    """A Start whose doorbell nobody ever hears."""
    tasks.ring.apply_async = lambda *args, **options: None  # type: ignore[method-assign, assignment]
    return services.request_sandbox(user(name)).state


def until(name: str, state: str, seconds: str) -> float:
    """Until that user's sandbox is in a state."""
    mine = Sandbox.objects.filter(owner=user(name), state=state)
    return commands.until(mine.exists, seconds, said=states)


def sandbox_of(name: str) -> str:
    """The backend's name for that user's sandbox."""
    return Sandbox.objects.get(owner=user(name), wanted="present").hex


def delete(name: str, seconds: str) -> float:
    """Until that user has no sandbox."""
    for sandbox in Sandbox.objects.filter(owner=user(name), wanted="present"):
        services.delete_sandbox(sandbox)
    left = Sandbox.objects.filter(owner=user(name)).exclude(state=State.DELETED)
    return commands.until(lambda: not left.exists(), seconds, said=states)


# -- all of them -------------------------------------------------------------------------------------------


def states() -> dict[str, str]:
    """Who has a sandbox, and in which state."""
    return dict(Sandbox.objects.exclude(owner=None).values_list("owner__username", "state"))


def settled(seconds: str) -> float:
    """Until nothing is under way."""
    passing = Sandbox.objects.filter(state__in=PASSING)
    return commands.until(lambda: not passing.exists(), seconds, said=_by_state)


def clear(seconds: str) -> float:
    """Until nobody has one."""
    for sandbox in Sandbox.objects.filter(wanted="present"):
        services.delete_sandbox(sandbox)
    return settled(seconds)


def stories() -> dict[str, Any]:
    """By sandbox: its state, the states it went through, and how long it took until it was ready first."""
    told: dict[str, dict[str, Any]] = {
        one.hex: {"state": one.state, "ready_s": None, "moves": []} for one in Sandbox.objects.all()
    }
    for event in SandboxEvent.objects.filter(kind=SandboxEvent.MOVE).select_related("sandbox").order_by("pk"):
        story = told[event.sandbox.hex]
        story["moves"].append(event.new)
        if event.new == State.READY and story["ready_s"] is None:
            story["ready_s"] = (event.at - event.sandbox.created_at).total_seconds()
    return told


def crowding() -> int:
    """How many were ever starting at the same time."""
    moves = SandboxEvent.objects.filter(kind=SandboxEvent.MOVE).order_by("at", "pk")
    under_way: set[UUID] = set()
    most = 0
    for sandbox_id, new in moves.values_list("sandbox", "new"):
        if new == State.PROVISIONING:
            under_way.add(sandbox_id)
        elif new != State.BINDING:
            under_way.discard(sandbox_id)
        most = max(most, len(under_way))
    return most


def _by_state() -> Counter[str]:
    return Counter(Sandbox.objects.values_list("state", flat=True))


# -- room and pool -----------------------------------------------------------------------------------------


def starts_at_once() -> int:
    """How many may start at the same time."""
    return placement.starts_at_once(Cluster.objects.get())


def admit(count: str) -> int:
    """Let so many start at the same time."""
    return Cluster.objects.update(starts_at_once=int(count))


def reserve(count: str) -> int:
    """Ask for so many to be kept warm, and no others."""
    PoolReservation.objects.all().delete()
    cluster, hour = placement.choose_cluster(), timezone.now() + timedelta(hours=1)
    services.reserve_pool(cluster, profile="kafka-1", count=int(count), until=hour, reason="", by=None)
    return int(count)


def pool(count: str, seconds: str) -> float:
    """Until so many are kept warm."""
    warm = Sandbox.objects.filter(owner=None, state=State.WARM)
    return commands.until(lambda: warm.count() == int(count), seconds, said=_by_state)


if __name__ == "__main__":
    commands.answer(
        heard, ready, is_ready, host_socket, progress, lost_start, until, sandbox_of, delete, states, settled,
        clear, stories, crowding, starts_at_once, admit, reserve, pool,
    )  # fmt: skip
