# ruff: noqa: E402  Django has to be set up before models can be imported
"""What a test asks of a site under faults, from a process of that site; one line of JSON on standard output.

python -m tests.faults.looking heard <seconds>       until a worker has executed a new heartbeat: how long
python -m tests.faults.looking readiness             which parts of the site are ready
python -m tests.faults.looking lost_start <user>     a Start whose doorbell nobody ever hears
python -m tests.faults.looking until <user> <state> <seconds>    until that user's sandbox is there
python -m tests.faults.looking states                who has a sandbox, and in which state
python -m tests.faults.looking is_ready <seconds>    until every part of the site is ready: how long
python -m tests.faults.looking sandbox_of <user>     the backend's name for that user's sandbox
python -m tests.faults.looking delete <user> <seconds>    until that user has no sandbox
python -m tests.faults.looking pool <count> <seconds>    until so many are kept warm
python -m tests.faults.looking host_socket           where the sandbox host listens
python -m tests.faults.looking progress              all that students have to show for their work
"""

import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import django

django.setup()

from django.utils import timezone

from accounts.models import User
from config import heartbeat, paths, readiness
from lessons.models import Answer, Attempt, HintOpened, TaskProgress, VerdictRow
from sandboxes import placement, services, tasks
from sandboxes.lifecycle import PASSING, State
from sandboxes.models import Cluster, PoolReservation, Sandbox, SandboxEvent


def heard(seconds: str) -> float:
    began = time.monotonic()
    while (age_s := heartbeat.age_s()) is None or age_s > time.monotonic() - began:
        assert time.monotonic() - began < float(seconds), f"no heartbeat for {age_s} s"
        time.sleep(0.1)
    return time.monotonic() - began


def ready() -> dict[str, bool]:
    return {part.name: part.ready for part in readiness.parts()}


def lost_start(name: str) -> str:
    tasks.ring.apply_async = lambda *args, **options: None  # type: ignore[method-assign, assignment]
    return services.request_sandbox(_user(name)).state


def until(name: str, state: str, seconds: str) -> float:
    began = time.monotonic()
    while not Sandbox.objects.filter(owner=_user(name), state=state).exists():
        assert time.monotonic() - began < float(seconds), states()
        time.sleep(0.1)
    return time.monotonic() - began


def is_ready(seconds: str) -> float:
    began = time.monotonic()
    while not all(ready().values()):
        assert time.monotonic() - began < float(seconds), ready()
        time.sleep(0.2)
    return time.monotonic() - began


def sandbox_of(name: str) -> str:
    return Sandbox.objects.get(owner=_user(name), wanted="present").hex


def delete(name: str, seconds: str) -> float:
    began = time.monotonic()
    for sandbox in Sandbox.objects.filter(owner=_user(name), wanted="present"):
        services.delete_sandbox(sandbox)
    while Sandbox.objects.filter(owner=_user(name)).exclude(state="deleted").exists():
        assert time.monotonic() - began < float(seconds), states()
        time.sleep(0.1)
    return time.monotonic() - began


def reserve(count: str) -> int:
    PoolReservation.objects.all().delete()
    until = timezone.now() + timedelta(hours=1)
    cluster = placement.choose_cluster()
    services.reserve_pool(cluster, profile="kafka-1", count=int(count), until=until, reason="", by=None)
    return int(count)


def pool(count: str, seconds: str) -> float:
    began = time.monotonic()
    while Sandbox.objects.filter(owner=None, state="warm").count() != int(count):
        assert time.monotonic() - began < float(seconds), list(Sandbox.objects.values_list("state", "owner"))
        time.sleep(0.1)
    return time.monotonic() - began


def settled(seconds: str) -> float:
    began = time.monotonic()
    while Sandbox.objects.filter(state__in=PASSING).exists():
        assert time.monotonic() - began < float(seconds), Counter(Sandbox.objects.values_list("state"))
        time.sleep(0.1)
    return time.monotonic() - began


def stories() -> dict[str, Any]:
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


def starts_at_once() -> int:
    return placement.starts_at_once(Cluster.objects.get())


def admit(count: str) -> int:
    return Cluster.objects.update(starts_at_once=int(count))


def clear(seconds: str) -> float:
    for sandbox in Sandbox.objects.filter(wanted="present"):
        services.delete_sandbox(sandbox)
    return settled(seconds)


def host_socket() -> str:
    return str(paths.HOST_SOCKET)


def progress() -> list[str]:
    kinds: tuple[Any, ...] = (Attempt, TaskProgress, VerdictRow, Answer, HintOpened)
    return [repr(row) for kind in kinds for row in kind.objects.order_by("pk").values()]


def states() -> dict[str, str]:
    return dict(Sandbox.objects.exclude(owner=None).values_list("owner__username", "state"))


def _user(name: str) -> User:
    return User.objects.get_or_create(username=name)[0]


COMMANDS: dict[str, Callable[..., Any]] = {
    "heard": heard,
    "readiness": ready,
    "lost_start": lost_start,
    "until": until,
    "states": states,
    "is_ready": is_ready,
    "sandbox_of": sandbox_of,
    "delete": delete,
    "reserve": reserve,
    "pool": pool,
    "settled": settled,
    "stories": stories,
    "crowding": crowding,
    "starts_at_once": starts_at_once,
    "admit": admit,
    "clear": clear,
    "host_socket": host_socket,
    "progress": progress,
}

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    print(json.dumps(COMMANDS[command](*arguments)))
