"""The first `make up` of a checkout that has nothing, and the ones after it: from the command to "ready"."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.results import ROOT
from tests.bench.rounds import is_quick, measured, tell
from tests.bench.stage import Stage
from tests.browser.site import _environment, _until_ready, free_port

ROUNDS = 3
_STOP_S = 60
# Where package managers keep what they have downloaded before: a bare machine has none of it.
_CACHES = ("UV_CACHE_DIR", "PIP_CACHE_DIR", "NPM_CONFIG_CACHE", "npm_config_cache", "XDG_CACHE_HOME")


class Checkout:
    """What is committed, in a folder of its own with caches of its own."""

    def __init__(self) -> None:
        self._top = Path(tempfile.mkdtemp(prefix="mr-first-"))
        self._top.chmod(0o755)
        self.root = self._top / "checkout"
        clone = ["git", "clone", "--quiet", "--depth", "1", f"file://{ROOT}", str(self.root)]
        subprocess.run(clone, check=True, umask=0o022)

    def up_s(self, *, hold_s: float = 0.0) -> float:
        """Seconds from `make up` to its word that the site is ready; the site is stopped again."""
        environment = _environment(self.root / "var", free_port())
        environment |= {name: str(self._top / "caches" / name) for name in _CACHES}
        for name in ("MILLRACE_CACHE", "VIRTUAL_ENV", "PYTHONPATH"):
            environment.pop(name, None)
        began = time.monotonic()
        time.sleep(hold_s)
        process = subprocess.Popen(
            ["make", "up"],
            cwd=self.root,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            _until_ready(process)
            return time.monotonic() - began
        finally:
            _stop(process)

    def remove(self) -> None:
        shutil.rmtree(self._top, ignore_errors=True)


def _stop(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a person does: to all of it."""
    for number in (signal.SIGINT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=_STOP_S)
            return


def measure(_stage: Stage) -> Iterator[Figure]:
    checkout = Checkout()
    try:
        tell("first make up: installs everything")
        yield Figure(
            bench="first make up",
            value=checkout.up_s(),
            unit="s",
            goal="<= 120",
            note="a clone of what is committed, every download cache empty; most of it is downloads",
        )
        taken = measured("second", ROUNDS, lambda _: checkout.up_s(), spare=2)
        yield Figure(bench="second make up", value=middle(taken), worst=max(taken), unit="s", goal="<= 5")
    finally:
        checkout.remove()


def prove(_stage: Stage) -> Iterator[Proof]:
    """The command held up; twice the look at a site that is there already."""
    hold_s, times = 3.0, 1 if is_quick() else 3
    checkout = Checkout()
    try:
        checkout.up_s()
        plain = [checkout.up_s() for _ in range(times)]
        held = [checkout.up_s(hold_s=hold_s) for _ in range(times)]
    finally:
        checkout.remove()
    yield Proof(what="second: make held up", put_in=hold_s, reported=middle(held) - middle(plain), unit="s")
