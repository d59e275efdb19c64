"""Which Python runs inside sandboxes: one that every user of this machine may read.

The order is the one set-up uses to pick the interpreter it installs the students' packages for.
"""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
_LEAST = (3, 11)
INSIDE_PREFIX = "/opt/python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """inside: its path in a sandbox; prefix: the directory to bind there, None when it is part of /usr."""

    inside: str
    prefix: Path | None = None


def find() -> Interpreter | None:
    """The interpreter for sandboxes; None when this machine has none that fits."""
    for name in _NAMES:
        candidate = Path("/usr/bin") / name
        if candidate.exists() and _open_to_all(candidate.resolve()) and _version(candidate) >= _LEAST:
            return Interpreter(inside=str(candidate))
    return _own()


def _own() -> Interpreter | None:
    """The one this process runs, when it stands outside /usr or in the hidden /usr/local."""
    prefix = Path(sys.base_prefix).resolve()
    binary = prefix / "bin" / f"python3.{sys.version_info.minor}"
    if not binary.exists() or (os.geteuid() == 0 and not _open_to_all(binary.resolve())):
        return None
    return Interpreter(inside=f"{INSIDE_PREFIX}/bin/{binary.name}", prefix=prefix)


def _open_to_all(path: Path) -> bool:
    reachable = all(folder.stat().st_mode & stat.S_IXOTH for folder in path.parents)
    return reachable and bool(path.stat().st_mode & stat.S_IROTH)


@cache
def _version(python: Path) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (0, 0)
