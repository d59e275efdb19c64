"""The proof ledger: which labs and prose programs were proven, by the hash of their content.

Committed beside the content. A lab that changed has another hash, so its proof is void by itself.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from lessons.catalog import Course, Lesson
from lessons.lab_folder import LabFolder

NAME = "proofs.yaml"
_HEAD = "# Written by `make course-check` and `make course-mutate`; another content hash voids the proof.\n"


@dataclass(slots=True)
class Ledger:
    path: Path
    labs: dict[str, dict[str, Any]] = field(default_factory=dict)
    prose: dict[str, dict[str, Any]] = field(default_factory=dict)
    changed: set[str] = field(default_factory=set)

    def proves(self, folder: LabFolder) -> bool:
        return bool(self.labs.get(folder.lab.id, {}).get("content") == folder.digest)

    def proves_prose(self, lesson: Lesson) -> bool:
        return bool(self.prose.get(lesson.front.id, {}).get("content") == prose_digest(lesson))

    def prove(self, folder: LabFolder, gates: int, today: date) -> None:
        """Write a lab in; what its mutants came to is kept while the content is the same."""
        before = self.labs.get(folder.lab.id, {})
        entry: dict[str, Any] = {"content": folder.digest, "proven": today.isoformat(), "gates": gates}
        if before.get("content") == folder.digest and "mutants" in before:
            entry["mutants"] = before["mutants"]
        self.labs[folder.lab.id] = entry
        self.changed.add(folder.lab.id)

    def prove_mutants(self, folder: LabFolder, caught: int, made: int) -> None:
        entry = self.labs.get(folder.lab.id, {})
        if entry.get("content") == folder.digest:
            entry["mutants"] = f"{caught} of {made} caught"
            self.changed.add(folder.lab.id)

    def prove_prose(self, lesson: Lesson, today: date) -> None:
        self.prose[lesson.front.id] = {
            "content": prose_digest(lesson),
            "proven": today.isoformat(),
            "programs": len(lesson.page.runs),
        }
        self.changed.add(lesson.front.id)

    def save(self) -> None:
        """Write what this run proved over what the file says now: another run may have written meanwhile."""
        now = read_ledger(self.path.parent)
        mine = {name: entry for name, entry in self.labs.items() if name in self.changed}
        labs = now.labs | {name: _both(now.labs.get(name, {}), entry) for name, entry in mine.items()}
        prose = now.prose | {name: entry for name, entry in self.prose.items() if name in self.changed}
        data = {"labs": dict(sorted(labs.items())), "prose": dict(sorted(prose.items()))}
        self.path.write_text(_HEAD + yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def _both(there: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    """An entry, and what another run found out about the same content meanwhile."""
    return there | entry if there.get("content") == entry["content"] else entry


def read_ledger(content: Path) -> Ledger:
    path = content / NAME
    data = yaml.safe_load(path.read_text(encoding="utf-8")) if path.exists() else {}
    return Ledger(path, dict((data or {}).get("labs") or {}), dict((data or {}).get("prose") or {}))


def prose_digest(lesson: Lesson) -> str:
    """Changes when a program of the text, or what is expected of it, does."""
    parts = [f"{r.id}\0{r.code}\0{r.expect}\0{sorted(r.topics.items())}" for r in lesson.page.runs]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def unproven(course: Course, ledger: Ledger) -> list[str]:
    """Ids of the labs without a valid proof."""
    return [folder.lab.id for _, folder in course.labs() if not ledger.proves(folder)]


def sample(labs: Iterable[str], today: date) -> list[str]:
    """One lab a day, each in its turn, proven or not."""
    all_labs = sorted(labs)
    return [all_labs[today.toordinal() % len(all_labs)]] if all_labs else []
