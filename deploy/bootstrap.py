"""The first step of every make target: an environment with the locked packages, from nothing but Python.

    python3 deploy/bootstrap.py [up|base|dev]

Standard library only. This file alone must be readable by an old Python, so that it can say what is missing;
everything else lives in config.install. `up` looks whether the site can start, then installs, then starts it.
"""

import os
import shutil
import sys
import time

LEAST = (3, 11)
ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
NAMES = ("python3.13", "python3.12", "python3.11")


def find_newer_python():  # type: () -> str
    """A Python on the PATH that is new enough, or an empty string."""
    found = [shutil.which(name) for name in NAMES]
    return next((path for path in found if path), "")


def use_a_new_enough_python() -> None:
    """Go on under a newer Python when this one is too old; say so when there is none."""
    if sys.version_info >= LEAST:
        return
    newer = find_newer_python()
    if newer:
        os.execv(newer, [newer, *sys.argv])
    have = ".".join(str(number) for number in sys.version_info[:2])
    sys.exit(
        f"Millrace needs Python 3.11 or newer, and python3 is {have}.\n"
        "Install a newer one, or name one you have: make up PYTHON=/path/to/python3"
    )


def main() -> None:
    use_a_new_enough_python()
    sys.path.insert(0, os.path.join(ROOT, "platform"))  # noqa: PTH118
    os.umask(0o022)
    from config.install.first import prepare

    started = time.time()
    sys.exit(prepare(sys.argv[1] if len(sys.argv) > 1 else "base", started))


if __name__ == "__main__":
    main()
