"""Students of a running site, signed in without a page: for when many come at once.

python -m tests.bench.people <count>   with that site's environment; prints their session keys as JSON
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any


def make(count: int) -> list[str]:
    """So many new ones, each signed in; their session keys."""
    import django

    django.setup()
    from django.db import transaction

    from accounts.models import User

    with transaction.atomic():
        return [
            # Nobody signs in with this hash, and a real one takes a third of a second to make.
            _signed_in(User.objects.create(username=f"bench-{os.getpid()}-{number}", password="!"))
            for number in range(count)
        ]


def _signed_in(user: Any) -> str:
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore

    session = SessionStore()
    session[SESSION_KEY] = str(user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.save()
    return str(session.session_key)


if __name__ == "__main__":
    print(json.dumps(make(int(sys.argv[1]))))
