# ruff: noqa: E402  Django has to be set up before models can be imported
"""A process in which many people press Start at the same moment; one line of JSON on standard output.

    python -m tests.sandboxes.claimers warm <count>             put so many warm sandboxes there
    python -m tests.sandboxes.claimers press <first> <count>    people number first... press, each in a thread

For each press: the sandbox they got, how, and how long the request's own work took.
"""

import json
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import django

django.setup()

from django.db import connection
from django.utils import timezone

from accounts.models import User
from sandboxes import placement, services
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox, SandboxEvent


def warm(count: str) -> list[str]:
    """Rows as the pool makes them, without a backend behind them."""
    cluster, made = placement.choose_cluster(), []
    for _ in range(int(count)):
        sandbox = Sandbox.objects.create(owner=None, cluster=cluster, state=State.WARM, frozen=True)
        SandboxEvent.record(sandbox, old="", at=timezone.now(), actor="sweep")
        made.append(sandbox.hex)
    return made


def press(first: str, count: str) -> list[dict[str, Any]]:
    """Everybody at once; a user may be pressed for by several processes."""
    numbers = range(int(first), int(first) + int(count))
    users = [User.objects.get_or_create(username=f"presser-{number}")[0] for number in numbers]
    gate = threading.Barrier(len(users))

    def one(user: User) -> dict[str, Any]:
        connection.ensure_connection()
        gate.wait()
        began = time.monotonic()
        try:
            sandbox = services.request_sandbox(user)
            return {
                "user": user.username,
                "sandbox": sandbox.hex,
                "state": sandbox.state,
                "took_s": time.monotonic() - began,
            }
        finally:
            connection.close()

    with ThreadPoolExecutor(len(users)) as pool:
        return list(pool.map(one, users))


if __name__ == "__main__":
    name, *arguments = sys.argv[1:]
    todo: dict[str, Callable[..., object]] = {"warm": warm, "press": press}
    print(json.dumps(todo[name](*arguments)))
