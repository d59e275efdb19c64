"""The Python side of set-up: the environment, uv inside it, and the locked packages."""

import re
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

from config import paths
from config.install import tools
from config.install.stamps import fingerprint

VENV = paths.BASE_DIR / ".venv"
PYTHON = VENV / "bin" / "python"
UV = VENV / "bin" / "uv"
REQUIREMENTS = paths.BASE_DIR / "requirements"
_STAMP = VENV / ".packages"
_INDEX = "the Python package index"
# Its cache stays with ours, on the disk of the environment, so that it links files rather than copies them.
# It draws bars even into a log.
UV_ENV = {"UV_CACHE_DIR": str(paths.CACHE_DIR / "uv"), "UV_NO_PROGRESS": "1"}


def is_current(group: str) -> bool:
    """True when the environment holds `group` ("base" or "dev") as locked now; dev includes base."""
    try:
        installed, mark = _STAMP.read_text().split()
    except (FileNotFoundError, ValueError):
        return False
    return installed in {group, "dev"} and mark == _mark(installed) and _works()


def install(group: str) -> str:
    """Make the environment hold exactly `group`'s locked packages; returns a note for the progress line."""
    _make_environment()
    _install_uv()
    lock = REQUIREMENTS / f"{group}.txt"
    tools.run(
        [UV, "pip", "sync", "--python", PYTHON, "--require-hashes", "--compile-bytecode", lock],
        what="the Python packages",
        source=_INDEX,
        env=UV_ENV,
    )
    _STAMP.write_text(f"{group} {_mark(group)}\n")
    return f"{lock.read_text().count('==')} packages"


def _mark(group: str) -> str:
    return fingerprint(REQUIREMENTS / f"{group}.txt", sys.version)


def _works() -> bool:
    """A system upgrade may take away the interpreter that an environment was made from."""
    if not PYTHON.exists():
        return False
    return subprocess.run([PYTHON, "-I", "-S", "-c", ""], check=False).returncode == 0


def _make_environment() -> None:
    if not _works() or not (VENV / "bin" / "pip").exists():
        venv.EnvBuilder(with_pip=True, symlinks=True, clear=True).create(VENV)


def _install_uv() -> None:
    """Install uv by pip, at the version and with the hashes that base.txt locks."""
    if UV.exists():
        return
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as wanted:
        wanted.write(locked_block("uv", REQUIREMENTS / "base.txt"))
        wanted.flush()
        options = [
            "--quiet",
            "--no-cache-dir",
            "--retries",
            "2",
            "--no-deps",
            "--require-hashes",
            "--disable-pip-version-check",
        ]
        tools.run(
            [PYTHON, "-m", "pip", "install", *options, "-r", wanted.name],
            what="uv",
            source=_INDEX,
        )


def locked_block(name: str, lock: Path) -> str:
    """The lines of one package in a lock file: its version and its hashes."""
    found = re.search(
        rf"^{re.escape(name)}==[^\n]*\\\n(?:    --hash=[^\n]*\n)+", lock.read_text(), re.MULTILINE
    )
    if found is None:
        raise LookupError(f"{name} is not in {lock}")
    return found.group()
