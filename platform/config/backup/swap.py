"""Puts a restored installation in the place of the present one, so that a break-off anywhere loses nothing.

What is to be done is written down first. Each step is one rename, and says by what is there whether it was
done; so whoever finds the note afterwards (the next `up` or `restore`) goes through it again and finishes.
Standard library only: `up` asks at every start.
"""

import json
import os
import shutil
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from itertools import chain, count
from pathlib import Path

from config.backup.manifest import DATABASE, SANDBOXES, SECRET

NOTE = "restore.json"
STAGE = "restore.new"
REPLACED = (DATABASE, SECRET, SANDBOXES)
# When beat last sent what: one file or several, as Python has it here (docs.python.org/3/library/dbm).
_SCHEDULE = tuple(f"beat-schedule{end}" for end in ("", ".db", ".bak", ".dat", ".dir"))
# They belong to the database that goes: its journal, what set-up and beat did with it.
_WITH_IT = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal", "stamps", *_SCHEDULE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Names of folders inside the data directory: where the new things are, and where the old ones go."""

    stage: str
    aside: str


def carry_out(data: Path, aside: str) -> Path:
    """Take what is in STAGE for the installation; what was there before is kept in the folder returned.

    aside: the folder's name; a number is added when a restore within the same second has taken it.
    """
    plan = Plan(stage=STAGE, aside=_free_name(data, aside))
    _sync(data / STAGE)
    fresh = data / f"{NOTE}.new"
    with fresh.open("w") as file:
        json.dump(asdict(plan), file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(data / NOTE)
    _sync(data)
    _go_through(data, plan)
    return data / plan.aside


def finish_interrupted(data: Path) -> bool:
    """Finish what was written down and broken off; False when there is nothing to finish."""
    note = data / NOTE
    if not note.exists():
        return False
    _go_through(data, Plan(**json.loads(note.read_text())))
    return True


def _go_through(data: Path, plan: Plan) -> None:
    stage, aside = data / plan.stage, data / plan.aside
    aside.mkdir(mode=0o700, exist_ok=True)
    _put_aside(data, aside, (name for name in _WITH_IT))
    for name in REPLACED:
        if (stage / name).exists():
            _put_aside(data, aside, (name,))
            (stage / name).rename(data / name)
    _sync(data)
    (data / NOTE).unlink()
    _sync(data)
    shutil.rmtree(stage, ignore_errors=True)


def _free_name(data: Path, wanted: str) -> str:
    names = chain([wanted], (f"{wanted}-{number}" for number in count(2)))
    return next(name for name in names if not (data / name).exists())


def _put_aside(data: Path, aside: Path, names: Iterable[str]) -> None:
    for name in names:
        if (data / name).exists() and not (aside / name).exists():
            (data / name).rename(aside / name)


def _sync(folder: Path) -> None:
    """Bring the folder's entries to disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
