"""Fills the database of a served site with the cast, each signed in, and Ada's sandbox; says it as JSON.

python -m tests.live.furnish        with the environment of that site
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any


def furnish(students: int, sessions: int) -> dict[str, Any]:
    """students: so many more, each with a sandbox; sessions: in so many more browsers Ada is signed in."""
    from django.conf import settings
    from django.core.management import call_command
    from django.db import transaction

    from sandboxes.models import Sandbox
    from tests import make
    from tests.cast import assemble

    call_command("migrate", verbosity=0)
    cast = assemble()
    sandbox = Sandbox.objects.create(owner=cast.ada, state="ready")
    with transaction.atomic():
        return {
            "cookie": settings.SESSION_COOKIE_NAME,
            "sandbox": str(sandbox.pk),
            "people": {
                name: make.session(getattr(cast, name)).session_key
                for name in ("ada", "grace", "edsger", "root")
            },
            "students": [_student(number) for number in range(students)],
            "sessions": [make.session(cast.ada).session_key for _ in range(sessions)],
        }


def _student(number: int) -> tuple[str, str | None]:
    """One more, with a sandbox: its id, and the key of a session."""
    from accounts.models import User
    from sandboxes.models import Sandbox
    from tests import make

    user = User(username=f"student-{number}", password="!")
    user.save()
    return str(Sandbox.objects.create(owner=user, state="ready").pk), make.session(user).session_key


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
    import django

    django.setup()
    counts = (int(os.environ.get(name, "0")) for name in ("FURNISHED_STUDENTS", "FURNISHED_SESSIONS"))
    print(json.dumps(furnish(*counts)))
