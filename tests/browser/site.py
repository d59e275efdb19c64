"""The whole site as a newcomer gets it: `manage.py up` in an installation of its own, and a browser on it."""

import contextlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from tests.gates import logs

READY_WITHIN_S = 180
_STOPPED_WITHIN_S = 60
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSite:
    """A running installation. said: what it printed when it was ready; data: its data directory."""

    address: str
    said: str
    data: Path
    process: subprocess.Popen[str]

    @property
    def admin_password(self) -> str:
        found = re.search(r"First admin: \S+, password (\S+)", self.said)
        assert found, self.said
        return found.group(1)

    @property
    def environment(self) -> dict[str, str]:
        """What its own commands are to be started with."""
        return _environment(self.data, int(self.address.rsplit(":", 1)[1]))

    def manage(self, *words: str) -> str:
        """What one of the site's own commands prints."""
        command = [sys.executable, "manage.py", *words]
        done = subprocess.run(
            command,
            cwd=settings.BASE_DIR,
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def log(self, name: str) -> str:
        return (self.data / "log" / f"{name}.log").read_text()


def free_port() -> int:
    """A port below the ephemeral range, where no client's own port can be in the way.

    Any: another worker, or another run, looks for one at the same time.
    """
    places = range(8300, 9900)
    for port in random.SystemRandom().sample(places, len(places)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("There is no free port between 8300 and 9900.")


@contextlib.contextmanager
def running_site() -> Iterator[RunningSite]:
    """Start it, wait for its own word that it is ready, and stop it with Ctrl-C afterwards."""
    data = Path(tempfile.mkdtemp(prefix="millrace-site-"))
    data.chmod(0o711)
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=settings.BASE_DIR,
        env=_environment(data, port),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        with logs.watched(data / "log"), _stopped_at_the_end(process):
            said = _until_ready(process)
            yield RunningSite(address=f"http://127.0.0.1:{port}", said=said, data=data, process=process)
    finally:
        shutil.rmtree(data, ignore_errors=True)


def _environment(data: Path, port: int) -> dict[str, str]:
    """The environment of a person, not of a test run: nothing points at the memory backend."""
    dropped = ("SECRET_KEY", "DATABASE_URL", "SANDBOX_BACKEND", "DJANGO_SETTINGS_MODULE", "REDIS_URL")
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    return kept | {"MILLRACE_DATA": str(data), "PORT": str(port), "PYTHONUNBUFFERED": "1"}


def _until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    said, until = "", time.monotonic() + READY_WITHIN_S
    while "Press Ctrl-C to stop" not in said:
        line = process.stdout.readline()
        said += line
        assert line, f"The site did not start:\n{said}"
        assert time.monotonic() < until, f"The site was not ready in {READY_WITHIN_S} s:\n{said}"
    return said


@contextlib.contextmanager
def _stopped_at_the_end(process: subprocess.Popen[str]) -> Iterator[None]:
    """Ctrl-C, and a kill when that is not heard."""
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.communicate(timeout=_STOPPED_WITHIN_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise
