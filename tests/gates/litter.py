"""What a run of the tests leaves running: nothing (a pytest plugin).

A process that was given the run's folder (place.py) and still lives when the run is over fails it, and is
ended.
"""

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest

from tests.gates import place

GRACE_S = 30.0  # a keeper leaves within 15 s once its site has gone
# Lives as long as the process it serves.
_HARMLESS = (b"multiprocessing.resource_tracker",)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if place.is_ours() and (left := _left_over(GRACE_S)):
        print("\nStill running after the last test:", *left.values(), sep="\n  ")
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _left_over(within_s: float) -> dict[int, str]:
    """Processes of this run that do not end by themselves, each as a person knows it."""
    until = time.monotonic() + within_s
    while (found := _of_this_run()) and time.monotonic() < until:
        time.sleep(0.1)
    return found


def _of_this_run() -> dict[int, str]:
    """Those whose environment or command names the folder. Ours does not: it was made after we began."""
    word = os.fsencode(os.environ[place.NAME])
    found = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes()
            is_of_it = word in command or word in (entry / "environ").read_bytes()
            if is_of_it and not any(one in command for one in _HARMLESS):
                words = command.decode(errors="replace").replace("\0", " ")
                found[int(entry.name)] = f"{entry.name} {words}"
    return found
