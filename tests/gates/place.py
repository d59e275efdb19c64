"""One folder for all that a run of the tests makes for a while, also for its workers and programs."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

NAME = "MILLRACE_TESTS_PLACE"
_makers: list[int] = []


def begin() -> None:
    """Make it and point all to it; xdist's workers have it from the process that started them."""
    if NAME in os.environ:
        return
    _makers.append(os.getpid())
    folder = tempfile.mkdtemp(prefix="mr-")
    Path(folder).chmod(0o711)  # sandboxes and PostgreSQL run as users of their own
    os.environ[NAME] = os.environ["TMPDIR"] = tempfile.tempdir = folder
    atexit.register(_remove, folder)


def is_ours() -> bool:
    """Whether this process made it, so that the run ends with it."""
    return os.getpid() in _makers


def _remove(folder: str) -> None:
    if is_ours():
        shutil.rmtree(folder, ignore_errors=True)
