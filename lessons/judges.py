"""A lab ready to be judged: its typed form with the functions of its checks.py and workload.py.

The sources are the authors', who are trusted; a student's file is never executed or imported here. Plain
Python: used by the site with sources from the database, and by the proving gates with those on disk.
"""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import ModuleType
from typing import Any

from lessons.checks import Judge, WorkloadRecord
from lessons.labs import Lab

Workload = Callable[..., Iterable[WorkloadRecord]]


@dataclass(frozen=True, slots=True)
class LabCode:
    """judges: task id -> function; workload: None when the lab has none."""

    lab: Lab
    judges: Mapping[str, Judge]
    workload: Workload | None

    def workload_records(self, *, seed: int, nonce: str) -> tuple[WorkloadRecord, ...]:
        """All records of the workload in the order of their times; the same for the same seed and nonce."""
        if self.workload is None:
            return ()
        return tuple(sorted(self.workload(seed=seed, nonce=nonce), key=lambda record: record.after))


def load_code(lab: Lab, *, checks: str, workload: str, name: str) -> LabCode:
    """Execute the sources. name: for tracebacks, e.g. the lab's id and version."""
    module = _run(checks, f"<checks of {name}>")
    judges = {task.id: getattr(module, task.check) for task in lab.tasks}
    traffic = getattr(_run(workload, f"<workload of {name}>"), "records", None) if workload else None
    return LabCode(lab, judges, traffic)


@lru_cache(maxsize=64)
def stored_code(digest: str, fetch: Callable[[str], LabCode]) -> LabCode:
    """The code of a stored lab version; `fetch` reads it when this process has not yet."""
    return fetch(digest)


def _run(source: str, filename: str) -> ModuleType:
    module = ModuleType(filename.strip("<>").replace(" ", "_"))
    # Lets a traceback in a log show the author's line although there is no such file.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    code: Any = compile(source, filename, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - an author's own checks.py
    return module
