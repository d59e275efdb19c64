"""Whether what set-up made is still what it made: a seal beside each thing, looked at before it is used.

The JVM trusts its archive of classes blindly: a flipped byte in it is a crash, or worse, a broker that works
almost.
"""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

logger = logging.getLogger(__name__)


def seal(made: Path) -> None:
    """Note what a file or a flat folder holds now."""
    _seal_of(made).write_text(_digest(made))


def is_whole(made: Path) -> bool:
    """True when it holds what it held when it was sealed. Some 50 ms for an archive of 75 MB."""
    try:
        return _seal_of(made).read_text() == _digest(made)
    except OSError:
        return False


def _seal_of(made: Path) -> Path:
    return made.with_name(f"{made.name}.sha256")


def _digest(made: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(made.iterdir()) if made.is_dir() else [made]:
        digest.update(path.name.encode() + b"\0")
        with path.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()


class Archive:
    """The JVM's ahead-of-time cache: used while it is whole; brokers start slower, and right, without it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.usable = is_whole(path)
        if not self.usable:
            self._warn("Run `make setup`, which makes it again.")

    def has_rotted(self) -> bool:
        """True once: when it was used until now and is damaged. Ask when a broker did not start."""
        if not self.usable or is_whole(self._path):
            return False
        self.usable = False
        self._warn("It changed under our hands; brokers start without it. Run `make setup`.")
        return True

    def _warn(self, said: str) -> None:
        logger.warning("host.archive_damaged", extra={"path": str(self._path), "said": said})
