# ruff: noqa: E402  Django has to be set up before models can be imported
"""A site with a past, in a process of its own; one command, one line of JSON on standard output.

python -m tests.sandboxes.long_ago fill <sandboxes> <events>   deleted 100 days ago, each with so many
python -m tests.sandboxes.long_ago forget                      everything that is due
python -m tests.sandboxes.long_ago write <seconds>             press Start again and again; errors, times
python -m tests.sandboxes.long_ago left                        rows of each kind
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import django

django.setup()

from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone

from accounts.models import User
from config import retention
from sandboxes import services
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox, SandboxEvent


def fill(sandboxes: str, events: str) -> int:
    then = timezone.now() - timedelta(days=100)
    for _ in range(int(sandboxes)):
        sandbox = Sandbox.objects.create(state=State.DELETED, state_since=then, wanted="absent")
        SandboxEvent.objects.bulk_create(
            SandboxEvent(sandbox=sandbox, at=then, new="deleted", generation=1, actor="worker")
            for _ in range(int(events))
        )
    Session.objects.bulk_create(
        Session(session_key=f"{number:032}", session_data="", expire_date=then) for number in range(1200)
    )
    return SandboxEvent.objects.count()


def forget() -> dict[str, int]:
    return dict(retention.remove(lasts_s=120))


def write(seconds: str) -> dict[str, Any]:
    user, errors, times = User.objects.create(username="ada"), [], 0
    ends = time.monotonic() + float(seconds)
    while time.monotonic() < ends:
        times += 1
        try:
            services.delete_sandbox(services.request_sandbox(user))
        except OperationalError as error:
            errors.append(str(error))
    return {"errors": errors, "times": times}


def left() -> dict[str, int]:
    old = {"at__lt": timezone.now() - timedelta(days=90)}
    return {
        "sandboxes": Sandbox.objects.filter(state_since__lt=old["at__lt"]).count(),
        "events": SandboxEvent.objects.filter(**old).count(),
        "sessions": Session.objects.count(),
    }


COMMANDS: dict[str, Callable[..., Any]] = {"fill": fill, "forget": forget, "write": write, "left": left}

if __name__ == "__main__":
    from tests.sandboxes.worker import migrate

    command, *arguments = sys.argv[1:]
    print(json.dumps((COMMANDS | {"migrate": migrate})[command](*arguments)))
