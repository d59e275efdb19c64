"""Students of a running site, signed in without a page: for when many come at once.

python -m tests.bench.people <count>   with that site's environment; prints their session keys as JSON
"""

from __future__ import annotations

import json
import os
import sys


def people(count: int) -> list[str | None]:
    """So many new ones, each signed in; their session keys."""
    import django

    django.setup()
    from django.db import transaction

    from accounts.models import User
    from tests.make import session

    with transaction.atomic():
        return [
            # Nobody signs in with this hash, and a real one takes a third of a second to make.
            session(User.objects.create(username=f"bench-{os.getpid()}-{number}", password="!")).session_key
            for number in range(count)
        ]


if __name__ == "__main__":
    print(json.dumps(people(int(sys.argv[1]))))
