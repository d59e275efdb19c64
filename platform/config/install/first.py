"""The part of set-up that runs on a bare Python: look at the machine, then fetch the Python packages."""

import os
import sys

from config import env, paths, sitelock
from config.install import ground, python
from config.install.faults import SetupFault, from_os_error
from config.install.progress import Progress

PORT = env.number("PORT", 8000)
BIND = env.text("BIND", "127.0.0.1")


def prepare(goal: str, started: float) -> int:
    """Prepare for `goal`: "base" or "dev" packages, or "up", which goes on to start the site."""
    try:
        if goal == "up" and sitelock.held():
            say(f"Millrace is already running: {paths.SITE_LOCK.read_text().strip()}")
            return 0
        _packages("base" if goal == "up" else goal, starting=goal == "up")
    except SetupFault as fault:
        return _stopped(fault)
    except OSError as error:
        known = from_os_error(error)
        if known is None:
            raise
        return _stopped(known)
    except KeyboardInterrupt:
        return 130
    if goal == "up":
        _go_on(started)
    return 0


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def _packages(group: str, *, starting: bool) -> None:
    ground.check_all()
    if starting:
        ground.check_port(BIND, PORT)
    if python.is_current(group):
        return
    say("Setting up Millrace. The first time takes a minute or two, mostly downloads.")
    for folder in {paths.BASE_DIR, paths.CACHE_DIR}:
        ground.check_disk(folder)
    with Progress().step("Python packages") as notes:
        notes.append(python.install(group))


def _go_on(started: float) -> None:
    os.chdir(paths.BASE_DIR)
    os.execv(python.PYTHON, [str(python.PYTHON), "manage.py", "up", f"--since={started}"])


def _stopped(fault: SetupFault) -> int:
    sys.stderr.write(f"\n{fault.sentence}\n{fault.next_step}\n")
    return 1
