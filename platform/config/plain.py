"""Keeps structlog from loading what it would print with on a developer's terminal."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

# Only an environment for tests has them. There they cost every process a third of a second and 13 MB, and no
# line of ours is ever pretty.
_PRETTY = ("rich", "twisted", "better_exceptions", "colorama")


@contextmanager
def printing() -> Iterator[None]:
    """While structlog is imported: these count as not installed."""
    hidden = [name for name in _PRETTY if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None is Python's own word for "not there"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
