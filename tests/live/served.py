"""The real web process, uvicorn and all, on a database, a Valkey and a port of its own; no cluster behind it.

Whoever uses it publishes frames by hand (tests.live.sampling), so that what a browser gets can be told
exactly.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from config import processes
from tests.browser.site import free_port
from tests.gates import logs
from tests.live.valkey import Valkey, running_valkey

ROOT = Path(__file__).resolve().parents[2]
_START_S = 30.0


@dataclass(slots=True, kw_only=True)
class Served:
    """address: http://host:port; cookies: person -> Cookie header; pid: of the web process.

    students: with FURNISHED_STUDENTS, so many more people, each a sandbox of their own and a Cookie header;
    tabs: with FURNISHED_SESSIONS, Cookie headers of so many other browsers of Ada's.
    """

    address: str
    port: int
    valkey: Valkey
    sandbox: uuid.UUID
    cookies: Mapping[str, str]
    students: Sequence[tuple[uuid.UUID, str]]
    tabs: Sequence[str]
    env: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process
        return self.process.pid

    @property
    def path(self) -> str:
        return f"/ws/live/{self.sandbox}/"

    def start(self) -> None:
        """As the supervisor starts it, on this port."""
        argv = [sys.executable if word == "PYTHON" else word for word in _argv(self.port)]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(argv, cwd=ROOT, env=dict(self.env), stdout=log, stderr=log)
        until = time.monotonic() + _START_S
        while not _is_open(self.port):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, "the web process does not answer"
            time.sleep(0.05)

    @property
    def queries(self) -> int:
        """How many the web process has asked its database; it counts with COUNTED_QUERIES."""
        counted = Path(self.env["COUNTED_QUERIES"])
        return counted.stat().st_size if counted.exists() else 0

    def kill(self) -> None:
        """At once, as in a power cut."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None


def _argv(port: int) -> list[str]:
    argv = list(processes.web().argv)
    argv[0] = "PYTHON"
    argv[argv.index("--port") + 1] = str(port)
    argv[argv.index("--host") + 1] = "127.0.0.1"
    return argv


def _is_open(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


@contextlib.contextmanager
def served(**settings: str) -> Iterator[Served]:
    """A furnished site; settings: more of its environment."""
    data = Path(tempfile.mkdtemp(prefix="millrace-served-"))
    (data / "static").mkdir()  # empty: no page of this site needs a file
    try:
        with running_valkey() as valkey:
            env = _environment(data, valkey) | settings
            site = _furnished(env, valkey, data)
            with logs.watched(site.log):
                try:
                    site.start()
                    yield site
                finally:
                    site.kill()
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _furnished(env: dict[str, str], valkey: Valkey, data: Path) -> Served:
    said = subprocess.run(
        [sys.executable, "-m", "tests.live.furnish"], cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE
    )
    told = json.loads(said.stdout)
    port = free_port()

    def cookie(key: str) -> str:
        return f"{told['cookie']}={key}"

    return Served(
        address=f"http://127.0.0.1:{port}",
        port=port,
        valkey=valkey,
        sandbox=uuid.UUID(told["sandbox"]),
        cookies={who: cookie(key) for who, key in told["people"].items()},
        students=[(uuid.UUID(one), cookie(key)) for one, key in told["students"]],
        tabs=[cookie(key) for key in told["sessions"]],
        env=env,
        log=data / "web.log",
    )


def _environment(data: Path, valkey: Valkey) -> dict[str, str]:
    return os.environ | {
        "MILLRACE_DATA": str(data),
        "DATABASE_URL": f"sqlite:///{data}/site.sqlite3",
        "REDIS_URL": valkey.url,
        "SANDBOX_BACKEND": "memory",
        "DJANGO_SETTINGS_MODULE": "tests.live.served_settings",
        "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "platform"))),
        "PYTHONUNBUFFERED": "1",
    }
