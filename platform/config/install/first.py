"""The part of set-up that runs on a bare Python: look at the machine, then fetch the Python packages."""

import os
import sys

from config import env, paths, sitelock
from config.install import ground, python
from config.install.faults import SetupFault, from_os_error
from config.install.progress import Progress

_GOALS = {"up", "base", "dev"}


def prepare(goal: str, started: float) -> int:
    """Prepare for `goal`: "base" or "dev" packages, or "up", which goes on to start the site."""
    if goal not in _GOALS:
        sys.stderr.write("The goal is up, base or dev.\n")
        return 2
    try:
        if goal == "up" and sitelock.held():
            say(f"Millrace is already running: {paths.SITE_LOCK.read_text().strip()}")
            return 0
        _packages("base" if goal == "up" else goal, starting=goal == "up")
    except SetupFault as fault:
        return _stopped(f"{fault.sentence}\n{fault.next_step}")
    except env.BadSetting as fault:
        return _stopped(str(fault))
    except OSError as error:
        known = from_os_error(error)
        if known is None:
            raise
        return _stopped(f"{known.sentence}\n{known.next_step}")
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
        ground.check_port(env.text("BIND", "127.0.0.1"), env.port("PORT", 8000))
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


def _stopped(words: str) -> int:
    sys.stderr.write(f"\n{words}\n")
    return 1
