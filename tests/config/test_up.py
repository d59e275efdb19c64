"""`manage.py up` as a person runs it: real processes, a real sandbox, nothing left behind."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from config import paths
from sandboxes.backends.base import Phase, Spec
from sandboxes.backends.local.backend import LocalBackend
from tests.browser.site import free_port
from tests.gates import logs

# Sandboxes are started here behind the site's back, so its sweep may find that nobody wants them.
ORPHANS = pytest.mark.logs("sweep.orphan")
pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("whole site"), ORPHANS]


class Site:
    """One installation in a directory of its own, sharing what set-up downloaded."""

    def __init__(self, data: Path) -> None:
        self.port = free_port()
        self.data = data
        self.env = {
            **os.environ,
            "MILLRACE_DATA": str(data),
            "MILLRACE_CACHE": str(paths.CACHE_DIR),
            "PORT": str(self.port),
            "SANDBOX_BACKEND": "local",
        }
        for name in ("DATABASE_URL", "SECRET_KEY", "DJANGO_ALLOW_ASYNC_UNSAFE"):
            self.env.pop(name, None)
        self.process: subprocess.Popen[str] | None = None
        self.said = ""

    def command(self) -> list[str]:
        return [sys.executable, str(paths.BASE_DIR / "manage.py"), "up"]

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command(), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said = ""
        assert self.process.stdout
        for line in self.process.stdout:
            self.said += line
            if "Press Ctrl-C to stop" in line:
                return
        raise AssertionError(f"it did not start:\n{self.said}")

    def run_dir(self) -> Path:
        """As config.paths would say in that installation."""
        code = "from config import paths; print(paths.HOST_SOCKET)"
        env = {**self.env, "PYTHONPATH": str(paths.BASE_DIR / "platform")}
        told = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        return Path(told.stdout.strip())

    def stop(self) -> None:
        """As a service manager would."""
        assert self.process
        self.process.terminate()
        assert self.process.wait(30) == 0
        self.kill()

    def kill(self) -> None:
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process and self.process.stdout:
            self.process.stdout.close()


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory that the tests here start one after the other, as a person would."""
    return tmp_path_factory.mktemp("installation") / "data"


@pytest.fixture
def site(installation: Path) -> Iterator[Site]:
    site = Site(installation)
    with logs.watched(installation / "log"):
        yield site
        site.kill()


@pytest.fixture
def new_site(tmp_path: Path) -> Site:
    """One that has never been started."""
    return Site(tmp_path / "data")


def descendants(pid: int) -> set[tuple[int, str]]:
    """Every process below `pid`, each with its start time so that a reused pid is another process."""
    found: set[tuple[int, str]] = set()
    waiting = [pid]
    while waiting:
        for task in Path(f"/proc/{waiting.pop()}/task").glob("*/children"):
            for child in task.read_text().split():
                found.add((int(child), started(int(child))))
                waiting.append(int(child))
    return found


def started(pid: int) -> str:
    """Field 22 of stat; empty when the process is gone or only waits to be collected."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if fields[0] == "Z" else fields[19]


def until(true: Callable[[], bool], *, within_s: float) -> bool:
    end = time.monotonic() + within_s
    while not true():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def running_sandbox(site: Site) -> None:
    """A sandbox with a live broker, straight from the host."""
    backend, spec = LocalBackend(site.run_dir()), Spec(sandbox_id=uuid.uuid4().hex)
    assert until(lambda: backend.ensure(spec).phase is Phase.RUNNING, within_s=30)


def test_a_killed_supervisor_leaves_nothing_twenty_seconds_later(site: Site) -> None:
    site.start()
    running_sandbox(site)
    assert site.process
    family = descendants(site.process.pid)
    commands = {Path(f"/proc/{pid}/exe").resolve().name for pid, _ in family}
    assert "java" in commands
    site.process.kill()
    assert until(lambda: not [pid for pid, at in family if at and started(pid) == at], within_s=20)


def test_ctrl_c_stops_everything_in_order(site: Site) -> None:
    site.start()
    running_sandbox(site)
    assert site.process
    family = descendants(site.process.pid)
    site.process.send_signal(signal.SIGINT)
    assert site.process.wait(30) == 0
    assert not [pid for pid, at in family if at and started(pid) == at]


def test_the_page_answers_and_a_second_up_says_that_it_runs(site: Site) -> None:
    site.start()
    with urllib.request.urlopen(f"http://127.0.0.1:{site.port}/healthz/") as answer:
        assert answer.read() == b"ok\n"
    assert f"http://127.0.0.1:{site.port}/" in site.said
    assert "Demo student: " in site.said
    again = subprocess.run(site.command(), env=site.env, capture_output=True, text=True, timeout=60)
    assert again.returncode == 1
    assert "Millrace is already running: http://127.0.0.1:" in again.stderr


def test_the_second_start_has_nothing_left_to_do(site: Site) -> None:
    site.start()
    site.stop()
    site.start()
    # A step that did something has an indented line. How long a start takes is for the bench to say.
    assert not [line for line in site.said.splitlines() if line.startswith("  ")]


def test_a_port_in_use_stops_it_before_anything_starts(new_site: Site) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", new_site.port))
        other.listen()
        told = subprocess.run(
            new_site.command(), env=new_site.env, capture_output=True, text=True, timeout=60
        )
    assert told.returncode == 1
    assert told.stderr.strip().startswith(f"Port {new_site.port} is in use by another program.")
    assert not (new_site.data / "millrace.sqlite3").exists()


def test_demo_accounts_on_a_public_address_are_refused(new_site: Site) -> None:
    new_site.env["BIND"] = "0.0.0.0"
    told = subprocess.run(new_site.command(), env=new_site.env, capture_output=True, text=True, timeout=60)
    assert told.returncode == 1
    assert told.stderr.strip().splitlines() == [
        "Demo accounts are on while the site listens on 0.0.0.0.",
        "Set DEMO=0, or leave the site to this machine: BIND=127.0.0.1, SECURE=0, no ALLOWED_HOSTS.",
    ]
