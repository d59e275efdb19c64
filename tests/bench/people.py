"""Students of a running site, signed in without a page: for benches in which many come at once.

python -m tests.bench.people <count>   with that site's environment; prints their session keys as JSON
"""

from __future__ import annotations

import http.client
import json
import os
import re
import subprocess
import sys
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_TOKEN = "a" * 32  # cookie and header carry the same secret, which is all that the site compares
_PANEL = re.compile(r'data-sandbox="([^"]*)"\s+data-state="([^"]*)"')
_PATIENCE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of the site. took_s: from the first byte sent to the last one read."""

    status: int
    text: str
    took_s: float

    def panel(self) -> tuple[str, str]:
        """Sandbox id in hex and state, as the panel says."""
        found = _PANEL.search(self.text)
        assert found, self.text[:500]
        return found.group(1).replace("-", ""), found.group(2)


class Visitor:
    """One browser's connection, kept open, as a browser keeps it."""

    def __init__(self, address: str, session: str) -> None:
        place = urllib.parse.urlsplit(address)
        self._address, self._session = address, session
        self._line = http.client.HTTPConnection(place.hostname or "", place.port, timeout=_PATIENCE_S)
        self._line.connect()

    def get(self, path: str) -> Answer:
        return self._ask("GET", path)

    def post(self, path: str) -> Answer:
        return self._ask("POST", path)

    def _ask(self, method: str, path: str) -> Answer:
        headers = {
            "Cookie": f"millrace-session={self._session}; millrace-csrf={_TOKEN}",
            "X-CSRFToken": _TOKEN,
            "Referer": self._address + "/",
            "HX-Request": "true",
        }
        began = time.monotonic()
        self._line.request(method, path, headers=headers)
        answer = self._line.getresponse()
        text = answer.read().decode()
        return Answer(status=answer.status, text=text, took_s=time.monotonic() - began)

    def until_state(self, *states: str) -> str:
        """Wait until the panel says one of these; the sandbox's id."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            sandbox_id, state = self.get("/sandbox/").panel()
            if state in states:
                return sandbox_id
            assert time.monotonic() < until, f"the sandbox stayed {state}"
            time.sleep(0.02)

    def close(self) -> None:
        self._line.close()


def sessions(count: int, environment: dict[str, str]) -> list[str]:
    """Make so many students in the installation of that environment, each signed in; their session keys."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.people", str(count)],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    keys: list[str] = json.loads(done.stdout.splitlines()[-1])
    return keys


def _make(count: int) -> list[str]:
    import django

    django.setup()
    from django.db import transaction

    from tests import make

    with transaction.atomic():
        return [
            _signed_in(make.user(f"bench-{os.getpid()}-{number}", password="!")) for number in range(count)
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
    sys.path[:0] = [str(ROOT / "platform")]
    print(json.dumps(_make(int(sys.argv[1]))))
