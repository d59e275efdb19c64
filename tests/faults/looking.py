# ruff: noqa: E402  Django has to be set up before models can be imported
"""What a test asks of a site under faults, from a process of that site; one line of JSON on standard output.

python -m tests.faults.looking heard <seconds>       until a worker has executed a new heartbeat: how long
python -m tests.faults.looking readiness             which parts of the site are ready
python -m tests.faults.looking lost_start <user>     a Start whose doorbell nobody ever hears
python -m tests.faults.looking until <user> <state> <seconds>    until that user's sandbox is there
python -m tests.faults.looking states                who has a sandbox, and in which state
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import django

django.setup()

from accounts.models import User
from config import heartbeat, readiness
from sandboxes import services, tasks
from sandboxes.models import Sandbox


def heard(seconds: str) -> float:
    began = time.monotonic()
    while (age_s := heartbeat.age_s()) is None or age_s > time.monotonic() - began:
        assert time.monotonic() - began < float(seconds), f"no heartbeat for {age_s} s"
        time.sleep(0.1)
    return time.monotonic() - began


def ready() -> dict[str, bool]:
    return {part.name: part.ready for part in readiness.parts()}


def lost_start(name: str) -> str:
    tasks.ring.apply_async = lambda *args, **options: None
    return services.request_sandbox(_user(name)).state


def until(name: str, state: str, seconds: str) -> float:
    began = time.monotonic()
    while not Sandbox.objects.filter(owner=_user(name), state=state).exists():
        assert time.monotonic() - began < float(seconds), states()
        time.sleep(0.1)
    return time.monotonic() - began


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
}

if __name__ == "__main__":
    command, *arguments = sys.argv[1:]
    print(json.dumps(COMMANDS[command](*arguments)))
