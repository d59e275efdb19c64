"""What the console's tests share: an admin who has a browser, and sandboxes made up for lists."""

import itertools
from datetime import timedelta
from typing import Any

from django.test import Client
from django.utils import timezone

from accounts.models import User
from sandboxes.lifecycle import LEAVING, State
from sandboxes.models import Cluster, Sandbox
from tests import make

HTMX = {"hx-request": "true"}
_names = itertools.count(1)


class Console:
    """The admin's browser: gives pages as text, and follows what a form leads to."""

    def __init__(self, admin: User) -> None:
        self.admin = admin
        self.browser = Client()
        self.browser.force_login(admin)

    def get(self, path: str, **headers: str) -> str:
        answer = self.browser.get(path, headers=headers or None)
        assert answer.status_code == 200, (path, answer.status_code)
        return str(answer.content.decode())

    def post(self, path: str, **given: object) -> str:
        """The page that the form leads to."""
        return str(self.browser.post(path, given, follow=True).content.decode())

    def prove(self) -> None:
        """Give the password again, as is asked before anything is destroyed."""
        answer = self.browser.post("/accounts/reauthenticate/", {"password": make.PASSWORD})
        assert answer.status_code == 302, answer.content


def one(sandbox: Sandbox, more: str = "") -> str:
    """The address of a sandbox's page."""
    return f"/console/sandboxes/{sandbox.pk}/{more}"


def made_up(
    count: int = 1, *, cluster: Cluster | None = None, state: State = State.READY, **fields: Any
) -> list[Sandbox]:
    """Rows that nobody started, each with an owner of its own."""
    now = timezone.now()
    owners = User.objects.bulk_create(User(username=f"made-up-{next(_names)}") for _ in range(count))
    wanted = Sandbox.Wanted.ABSENT if state in LEAVING else Sandbox.Wanted.PRESENT
    return Sandbox.objects.bulk_create(
        Sandbox(
            owner=owner, cluster=cluster, state=state, wanted=wanted,
            **{"last_activity_at": now - timedelta(seconds=number)} | fields,
        )
        for number, owner in enumerate(owners)
    )  # fmt: skip
