"""The second `make up`: everything is there, and only has to be seen and started."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.crowd import ROOT
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage
from tests.browser.site import _environment, _stop, _until_ready, free_port

ROUNDS = 2


def measure(_stage: Stage) -> Iterator[Figure]:
    data = Path(tempfile.mkdtemp(prefix="mr-up-"))
    data.chmod(0o711)
    try:
        first = _up_s(data)
        taken = measured("second", ROUNDS, lambda _: _up_s(data), spare=1)
    finally:
        shutil.rmtree(data, ignore_errors=True)
    yield Figure(
        bench="second make up",
        value=middle(taken),
        worst=max(taken),
        unit="s",
        goal="<= 5",
        peer=first,
        note="the peer is the first start of that data directory; without the bootstrap's look",
    )


def _up_s(data: Path, *, hold_s: float = 0.0) -> float:
    """From the command to its word that the site is ready."""
    began = time.monotonic()
    time.sleep(hold_s)
    process = subprocess.Popen(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env=_environment(data, free_port()),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        _until_ready(process)
        return time.monotonic() - began
    finally:
        _stop(process)


def prove(_stage: Stage) -> Iterator[Proof]:
    yield from ()
