# ruff: noqa: E402  Django has to be set up before models can be imported
"""Deliver doorbells as a broker of tasks may: again, to many at once, too late."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup()

from django.db import connection

from sandboxes import leases, provisioning, services, tasks
from sandboxes.errors import LeaseLost
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox, SandboxEvent
from tests.sandboxes.commands import answer
from tests.sandboxes.driving import settle, user


def again(times: str) -> dict[str, Any]:
    """The task runs to its end, and then as often again."""
    sandbox = _started("again")
    for _ in range(int(times)):
        tasks.ring(sandbox.hex)
    return _told(sandbox)


def at_once(threads: str) -> dict[str, Any]:
    """The task runs in so many threads at the same moment."""
    sandbox, gate = services.request_sandbox(user("at-once")), threading.Barrier(int(threads))

    def deliver(_: int) -> None:
        connection.ensure_connection()
        gate.wait()
        try:
            tasks.ring(sandbox.hex)
        finally:
            connection.close()

    with ThreadPoolExecutor(int(threads)) as pool:
        list(pool.map(deliver, range(int(threads))))
    settle(sandbox, seconds=60)
    return _told(sandbox)


def after_stop() -> dict[str, Any]:
    """The bell of a Start is heard when its student has stopped it, and twice more when it is gone."""
    sandbox = services.request_sandbox(user("stopper"))
    services.stop_sandbox(sandbox)
    before = _ensured(sandbox)
    tasks.ring(sandbox.hex)
    settle(sandbox)
    for _ in range(2):
        tasks.ring(sandbox.hex)
    return _told(sandbox) | {"ensured_after": _ensured(sandbox) - before}


def old_worker() -> dict[str, Any]:
    """One worker takes a lease and sleeps; the lease runs out, and Stop and another worker come."""
    sandbox = services.request_sandbox(user("sleeper"))
    lease = leases.take(sandbox.pk)
    assert lease
    asleep = Sandbox.objects.get(pk=sandbox.pk)
    lease.renewed -= leases.LEASE_S
    Sandbox.objects.filter(pk=sandbox.pk).update(lease_until=None)
    services.stop_sandbox(sandbox)
    settle(sandbox)
    before = _told(sandbox)
    wrote = {
        "move": asleep.move_to(State.PROVISIONING, actor="worker", token=lease.token),
        "note": asleep.note(token=lease.token, detail="It woke up."),
        "stage": asleep.enter_stage("kafka", token=lease.token),
        "renewed": _renewed(lease),
    }
    leases.release(lease)
    return {"wrote": wrote, "before": before, "after": _told(sandbox)}


def _renewed(lease: leases.Lease) -> bool:
    try:
        leases.renew(lease)
    except LeaseLost:
        return False
    return True


def _started(name: str) -> Sandbox:
    sandbox = services.request_sandbox(user(name))
    settle(sandbox)
    return sandbox


def _told(sandbox: Sandbox) -> dict[str, Any]:
    moves = SandboxEvent.objects.filter(sandbox=sandbox, kind=SandboxEvent.MOVE).order_by("pk")
    return {"moves": list(moves.values_list("new", flat=True)), "ensured": _ensured(sandbox)}


def _ensured(sandbox: Sandbox) -> int:
    """How often the backend was asked to start it."""
    backend: Any = provisioning.backend_for(sandbox)
    return sum(1 for name, hex_id in backend.calls if name == "ensure" and hex_id == sandbox.hex)


if __name__ == "__main__":
    answer(again, at_once, after_stop, old_worker)
