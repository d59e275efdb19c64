"""Which Python runs students' programs: one that every user of this machine may read.

The local backend looks in the same order. As root, a sandbox runs under a user of its own, to whom an
interpreter below somebody's private home is no use.
"""

import os
import stat
import subprocess
import sys
from functools import cache
from pathlib import Path

from config.install.faults import SetupFault

_NAMES = ("python3", "python3.14", "python3.13", "python3.12", "python3.11")
_LEAST = (3, 11)


def student_python() -> Path:
    """The interpreter for sandboxes; raises SetupFault when this machine has none that fits."""
    for candidate in (Path("/usr/bin") / name for name in _NAMES):
        if candidate.exists() and open_to_all(candidate.resolve()) and _version(candidate) >= _LEAST:
            return candidate
    own = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    if own.exists() and (os.geteuid() != 0 or open_to_all(own.resolve())):
        return own
    raise SetupFault(
        "No Python 3.11 or newer was found that every user of this machine may run, and sandboxes need one.",
        "Install your system's own python3 package (3.11 or newer), then run the same command again.",
    )


def open_to_all(path: Path) -> bool:
    """True when any user may reach and read `path`."""
    wanted = stat.S_IROTH | (stat.S_IXOTH if path.is_dir() else 0)
    return path.stat().st_mode & wanted == wanted and not closed_folders(path)


def closed_folders(path: Path) -> list[Path]:
    """The existing folders above `path` that other users may not enter, outermost first."""
    above = [folder for folder in reversed(path.parents) if folder.exists()]
    return [folder for folder in above if not folder.stat().st_mode & stat.S_IXOTH]


@cache
def _version(python: Path) -> tuple[int, int]:
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([python, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    words = done.stdout.split()
    return (int(words[0]), int(words[1])) if len(words) == 2 else (0, 0)
