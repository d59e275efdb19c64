"""The runs of a sandbox's programs on disk: one JSON line per start and per end, the later line wins."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import asdict
from pathlib import Path

from sandboxes.backends.base import ProgramRun

KEPT = 200
_LINES = 5 * KEPT


class History:
    """Runs by id, oldest first; at most KEPT."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines = 0
        self._runs: dict[str, ProgramRun] = {}
        self._read()

    def runs(self) -> tuple[ProgramRun, ...]:
        return tuple(self._runs.values())

    def get(self, program_id: str) -> ProgramRun | None:
        return self._runs.get(program_id)

    def put(self, run: ProgramRun) -> None:
        """Record a start or an end."""
        self._keep(run)
        with contextlib.suppress(OSError):  # a full disk must not keep a program from starting or ending
            self._rewrite() if self._lines >= _LINES else self._append(run)

    def _keep(self, run: ProgramRun) -> None:
        self._runs[run.program_id] = run
        while len(self._runs) > KEPT:
            del self._runs[next(iter(self._runs))]

    def _append(self, run: ProgramRun) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write(json.dumps(asdict(run)) + "\n")
        self._lines += 1

    def _rewrite(self) -> None:
        aside = self._path.with_suffix(".new")
        aside.write_text("".join(json.dumps(asdict(run)) + "\n" for run in self._runs.values()))
        aside.chmod(0o600)
        aside.replace(self._path)
        self._lines = len(self._runs)

    def _read(self) -> None:
        if not self._path.exists():
            return
        for line in self._path.read_text().splitlines():
            self._lines += 1
            try:
                seen = json.loads(line)
                self._keep(ProgramRun(**seen | {"args": tuple(seen["args"])}))
            except (ValueError, TypeError, KeyError):
                continue  # a line cut short by a power cut
