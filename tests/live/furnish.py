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
    from tests.cast import assemble

    call_command("migrate", verbosity=0)
    cast = assemble()
    sandbox = Sandbox.objects.create(owner=cast.ada, state="ready")
    with transaction.atomic():
        return {
            "cookie": settings.SESSION_COOKIE_NAME,
            "sandbox": str(sandbox.pk),
            "people": {name: _session(getattr(cast, name)) for name in ("ada", "grace", "edsger", "root")},
            "students": [_student(number) for number in range(students)],
            "sessions": [_session(cast.ada) for _ in range(sessions)],
        }


def _session(user: Any) -> str:
    """The key of a session in which somebody is signed in."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


def _student(number: int) -> tuple[str, str]:
    """One more, with a sandbox: its id, and the key of a session."""
    from accounts.models import User
    from sandboxes.models import Sandbox

    user = User(username=f"student-{number}", password="!")
    user.save()
    return str(Sandbox.objects.create(owner=user, state="ready").pk), _session(user)


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
    import django

    django.setup()
    counts = (int(os.environ.get(name, "0")) for name in ("FURNISHED_STUDENTS", "FURNISHED_SESSIONS"))
    print(json.dumps(furnish(*counts)))
