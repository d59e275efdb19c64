"""Whether the workers do work: a task that beat sends every five seconds, and that a worker must execute.

A Celery worker may live and yet consume nothing, after a restart of Redis say (celery#10205), so a process
that is there proves nothing. The readiness page reads the last heartbeat from the cache; the supervisor,
which knows no cache, looks at a file that every executed task touches, so that a worker that is merely busy
with others' tasks is left alone.
"""

import time
from pathlib import Path

from django.core.cache import cache

from config import paths

EVERY_S = 5.0
LATE_S = 15.0
_KEY = "worker:heartbeat"
_TOUCH_S = 1.0


class _Last:
    touched = 0.0


def beat() -> None:
    """A worker has executed the heartbeat task."""
    cache.set(_KEY, time.time(), None)


def age_s() -> float | None:
    """Seconds since a worker executed one; None when that is not known, after a restart of Redis say."""
    at: float | None = cache.get(_KEY)
    return None if at is None else max(0.0, time.time() - at)


def executed(file: Path = paths.WORKER_PULSE) -> None:
    """A task of any kind has come to its end in this process."""
    now = time.monotonic()
    if now - _Last.touched >= _TOUCH_S:
        _Last.touched = now
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
