"""The lock that says "this installation is running"; standard library only.

The supervisor holds it for as long as it lives. Sandboxes' keepers look at it once a second and leave when
nobody has held it for 15 s, so even a killed supervisor leaves nothing behind.

It is an open-file-description lock (F_OFD_SETLK in fcntl(2)): it belongs to the open file, not to the
process, so closing another descriptor of the same file does not drop it, and asking takes nothing.
"""

import fcntl
import os
import struct
from pathlib import Path

from config import paths

# struct flock: l_type, l_whence, l_start, l_len, l_pid; the pid must be 0 for OFD locks.
_FLOCK = "hhqqi"
_WRITE = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class SiteRunning(Exception):
    """Somebody holds the lock; `said` is what they wrote into it."""

    def __init__(self, said: str) -> None:
        super().__init__(f"Millrace is already running: {said}")
        self.said = said


class SiteLock:
    """Take with `hold`, keep the object, let go with `release` or by ending."""

    def __init__(self, path: Path = paths.SITE_LOCK) -> None:
        self.path = path
        self._descriptor = -1

    def hold(self, said: str) -> None:
        """Take the lock and leave a note for whoever finds it taken; raises SiteRunning."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WRITE)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            raise SiteRunning(self.path.read_text().strip()) from None
        self._descriptor = descriptor
        self.note(said)

    def note(self, said: str) -> None:
        """Replace the note; only for the holder."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{said}\n".encode(), 0)

    def release(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def held(path: Path = paths.SITE_LOCK) -> bool:
    """True while some process holds the lock; asks without taking it."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WRITE)
    finally:
        os.close(descriptor)
    kind: int = struct.unpack(_FLOCK, answer[: struct.calcsize(_FLOCK)])[0]
    return kind != fcntl.F_UNLCK
