# ruff: noqa: E402  Django has to be set up before models can be imported
"""A worker process for tests.

    python -m tests.sandboxes.worker migrate
    python -m tests.sandboxes.worker prepare <wish>                       what the wish needs to be there
    python -m tests.sandboxes.worker wish <start|stop|resume|delete|warm|claim>   do it, ring until it settles
    python -m tests.sandboxes.worker recover <seconds>                    sweep and ring until all has settled
    python -m tests.sandboxes.worker races <threads>                      every race between threads
    python -m tests.sandboxes.worker press <start|delete|look> <state> <seconds>    press, then only look on
    python -m tests.sandboxes.worker check                                the invariants
    python -m tests.sandboxes.worker storm <user> <seconds> <seed>        press everything at random

A crash (tests.sandboxes.doubles.CrashingBackend) is armed only once the wish has been written.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup()

from django.core.management import call_command
from django.db import OperationalError, connection

from accounts.models import User
from sandboxes import leases, placement, provisioning, reconcile, services, sweep, together
from sandboxes.errors import SandboxError
from sandboxes.lifecycle import PASSING, State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests.sandboxes import invariants
from tests.sandboxes.commands import answer
from tests.sandboxes.driving import settle, sweep_and_settle
from tests.sandboxes.driving import user as user_named


def migrate() -> str:
    call_command("migrate", verbosity=0)
    return "migrated"


# -- crashes -----------------------------------------------------------------------------------------------


def prepare(wish: str) -> str:
    """Bring a sandbox to where the wish makes sense."""
    user = user_named("ada")
    if wish == "claim":
        sweep_and_settle()
    elif wish not in {"start", "warm"}:
        sandbox = services.request_sandbox(user)
        settle(sandbox)
    if wish == "resume":
        services.stop_sandbox(sandbox)
        settle(sandbox)
    return "prepared"


def wish(name: str) -> dict[str, Any]:
    """Write the wish and ring for it; the backend may end this process at one of its calls."""
    user = user_named("ada")
    sandbox = Sandbox.objects.filter(owner=user).first()
    if name == "warm":
        sandbox = Sandbox.objects.get(pk__in=sweep.sweep())
    elif name in {"start", "resume", "claim"}:
        sandbox = services.request_sandbox(user)
    elif sandbox and name == "stop":
        services.stop_sandbox(sandbox)
    elif sandbox:
        services.delete_sandbox(sandbox)
    assert sandbox
    backend: Any = provisioning.backend_for(sandbox)
    backend.arm()
    settle(sandbox, seconds=60)
    return {"state": sandbox.state, "calls": backend.calls}


def recover(seconds: str) -> dict[str, Any]:
    """What the second process does: sweep until nothing is under way. How long that took."""
    began = time.monotonic()
    while Sandbox.objects.filter(state__in=PASSING).exists():
        assert time.monotonic() - began < float(seconds), list(Sandbox.objects.all())
        time.sleep(0.3)
        sweep_and_settle(seconds=60)
    took_s = time.monotonic() - began
    sweep_and_settle(seconds=60)
    return {"took_s": took_s, "state": Sandbox.objects.latest("created_at").state, "holds": check()}


# -- looking on --------------------------------------------------------------------------------------------


def press(name: str, wait_for: str, seconds: str) -> dict[str, Any]:
    """Press a button as a page does, and look until the sandbox is in a state; do no work here."""
    user, began = user_named("ada"), time.monotonic()
    if name == "start":
        services.request_sandbox(user)
    elif name == "delete":
        press_delete(user)
    answered_s = time.monotonic() - began
    while not Sandbox.objects.filter(owner=user, state=wait_for).exists():
        assert time.monotonic() - began < float(seconds), list(Sandbox.objects.all())
        time.sleep(0.01)
    return {"answered_s": answered_s, "took_s": time.monotonic() - began}


def check() -> tuple[str, ...]:
    return invariants.check() + invariants.check_idempotent()


# -- races -------------------------------------------------------------------------------------------------


def races(threads: str) -> dict[str, Any]:
    """Let so many threads do the same thing at the same moment, race after race; what came of each."""
    return {"database": connection.vendor} | {name: _fresh(run, int(threads)) for name, run in RACES.items()}


def _fresh(run: Callable[[int], dict[str, Any]], threads: int) -> dict[str, Any]:
    Sandbox.objects.all().delete()
    Cluster.objects.all().delete()
    sweep.sweep()
    return run(threads)


def race_for_a_move(threads: int) -> dict[str, Any]:
    sandbox = services.request_sandbox(user_named("ada"))
    settle(sandbox)
    copies = [Sandbox.objects.get(pk=sandbox.pk) for _ in range(threads)]
    won = _together(lambda n: copies[n].move_to(State.DEGRADED, actor="worker"), threads)
    events = SandboxEvent.objects.filter(sandbox=sandbox, new="degraded").count()
    return {"winners": won.count(True), "events": events}


def race_for_a_lease(threads: int) -> dict[str, Any]:
    sandbox = services.request_sandbox(user_named("ada"))
    won = _together(lambda n: leases.take(sandbox.pk), threads)
    return {"winners": sum(lease is not None for lease in won)}


def race_to_start(threads: int) -> dict[str, Any]:
    user = user_named("ada")
    ids = _together(lambda n: str(services.request_sandbox(user).pk), threads)
    return {"ids": len(set(ids)), "rows": Sandbox.objects.count(), "events": SandboxEvent.objects.count()}


def race_of_a_class(threads: int) -> dict[str, Any]:
    """Everybody presses Start in two tabs: what each of them sees is their own, in both tabs the same."""
    students = [user_named(f"student-{n // 2}") for n in range(threads)]
    seen = _together(lambda n: together.start(students[n]), threads)
    own = [look.sandbox and look.sandbox.owner_id == students[n].pk for n, look in enumerate(seen)]
    ids = {str(look.sandbox.pk) for look in seen if look.sandbox}
    return {"own": all(own), "ids": len(ids), "rows": Sandbox.objects.count()}


def race_for_room(threads: int) -> dict[str, Any]:
    """Far more starts than room, all rung at once: how many were ever under way together."""
    Cluster.objects.create(name="here", starts_at_once=3)
    waiting = [services.request_sandbox(user_named(f"student-{n}")) for n in range(threads)]

    def admit(number: int) -> bool:
        sandbox, lease = waiting[number], leases.take(waiting[number].pk)
        assert lease
        return placement.admit(sandbox, token=lease.token)

    won = _together(admit, threads)
    return {"winners": won.count(True), "starting": Sandbox.objects.filter(state="provisioning").count()}


def race_of_rings(threads: int) -> dict[str, Any]:
    """One start, rung for by everybody: it must be started once."""
    sandbox = services.request_sandbox(user_named("ada"))
    _together(lambda n: reconcile.reconcile(sandbox.pk), threads)
    settle(sandbox, seconds=60)
    invariants.check()
    return {"state": sandbox.state, "events": SandboxEvent.objects.filter(new="ready").count()}


RACES: dict[str, Callable[[int], dict[str, Any]]] = {
    "move": race_for_a_move,
    "lease": race_for_a_lease,
    "start": race_to_start,
    "class": race_of_a_class,
    "room": race_for_room,
    "rings": race_of_rings,
}


def _together(act: Callable[[int], Any], threads: int) -> list[Any]:
    gate = threading.Barrier(threads)

    def run(number: int) -> Any:
        connection.ensure_connection()
        gate.wait()
        try:
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(run, range(threads)))


# -- storms ------------------------------------------------------------------------------------------------


def storm(name: str, seconds: str, seed: str) -> dict[str, Any]:
    """Press everything at random for a while, ring and sweep in between; count what happened."""
    chance, user = random.Random(int(seed)), user_named(name)
    counts: dict[str, int] = {}
    ends = time.monotonic() + float(seconds)
    while time.monotonic() < ends:
        act = chance.choice([press_start, press_stop, press_delete, ring, ring, ring, sweep_once])
        try:
            act(user)
            counts[act.__name__] = counts.get(act.__name__, 0) + 1
        except SandboxError:
            counts["refused"] = counts.get("refused", 0) + 1
        except OperationalError as error:
            counts[str(error)] = counts.get(str(error), 0) + 1
    return counts


def press_start(user: User) -> None:
    services.request_sandbox(user)


def press_stop(user: User) -> None:
    for sandbox in _live(user):
        services.stop_sandbox(sandbox)


def press_delete(user: User) -> None:
    for sandbox in _live(user):
        services.delete_sandbox(sandbox)


def ring(user: User) -> None:
    for sandbox in Sandbox.objects.filter(owner=user).exclude(state=State.DELETED):
        reconcile.reconcile(sandbox.pk)


def sweep_once(user: User) -> None:
    sweep.sweep()


def _live(user: User) -> list[Sandbox]:
    return list(Sandbox.objects.filter(owner=user, wanted="present"))


if __name__ == "__main__":
    assert os.environ["DATABASE_URL"]
    answer(migrate, prepare, wish, recover, races, storm, press, check)
