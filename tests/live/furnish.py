"""Fills the database of a served site with the cast, each signed in, and Ada's sandbox; says it as JSON.

python -m tests.live.furnish        with the environment of that site
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def furnish() -> dict[str, Any]:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.core.management import call_command

    from sandboxes.models import Sandbox
    from tests.cast import assemble

    call_command("migrate", verbosity=0)
    cast = assemble()
    sessions = {}
    for name in ("ada", "grace", "edsger", "root"):
        user, session = getattr(cast, name), SessionStore()
        session[SESSION_KEY] = str(user.pk)
        session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
        session[HASH_SESSION_KEY] = user.get_session_auth_hash()
        session.save()
        sessions[name] = session.session_key
    sandbox = Sandbox.objects.create(owner=cast.ada, state="ready")
    return {"sandbox": str(sandbox.pk), "sessions": sessions, "cookie": settings.SESSION_COOKIE_NAME}


if __name__ == "__main__":
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
    import django

    django.setup()
    print(json.dumps(furnish()))
