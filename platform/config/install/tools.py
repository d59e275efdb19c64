"""Runs a tool of set-up: its output goes to the set-up log, a failure becomes a plain sentence."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from config import paths
from config.install import certificates
from config.install.faults import from_output

SETUP_LOG = paths.LOG_DIR / "setup.log"


def run(
    argv: Sequence[str | Path],
    *,
    what: str,
    source: str = "the network",
    env: Mapping[str, str] | None = None,
    cwd: Path = paths.BASE_DIR,
) -> str:
    """Run `argv` to its end and return its output; raises SetupFault when it fails.

    what: the step in words, for the sentence; source: whom the tool talks to.
    """
    done = subprocess.run(
        [str(word) for word in argv],
        cwd=cwd,
        env={**os.environ, **certificates.settings(os.environ), **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    note(f"$ {' '.join(str(word) for word in argv)}\n{done.stdout}exit {done.returncode}")
    if done.returncode:
        raise from_output(done.stdout, what=what, source=source, log=str(SETUP_LOG))
    return done.stdout


def note(text: str) -> None:
    """Append to the set-up log; a log that cannot be written is no reason to stop."""
    try:
        SETUP_LOG.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with SETUP_LOG.open("a") as file:
            file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {text}\n")
    except OSError:
        return
