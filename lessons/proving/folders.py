"""The solutions and the mistakes of a lab, as its author laid them down."""

from __future__ import annotations

from pathlib import Path

from lessons.lab_folder import LabFolder
from lessons.robots import Mistake, Script
from lessons.sources import read_text, read_yaml

_META = {"run.yaml", "mistake.yaml"}


def solutions(folder: LabFolder) -> list[Path]:
    """The reference first."""
    found = [path for path in (folder.path / "solutions").glob("*/") if not path.name.startswith((".", "_"))]
    return sorted(found, key=lambda path: (path.name != "reference", path.name))


def mistakes(folder: LabFolder) -> list[Path]:
    return sorted(p for p in (folder.path / "mistakes").glob("*/") if not p.name.startswith((".", "_")))


def files_of(path: Path) -> dict[str, str]:
    """The files to lay over the starter."""
    return {
        file.relative_to(path).as_posix(): read_text(file)
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in _META and "__pycache__" not in file.parts
    }


def script_of(path: Path) -> Script:
    file = path / "run.yaml"
    return read_yaml(file).load(Script) if file.exists() else Script()


def mistake_of(path: Path) -> Mistake:
    return read_yaml(path / "mistake.yaml").load(Mistake)
