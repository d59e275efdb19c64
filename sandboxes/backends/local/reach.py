"""Makes our directories reachable for the users that sandboxes run as, wherever the checkout lies.

Under root each sandbox has a user of its own, and a checkout or a temporary directory with mode 0700 above it
shuts that user out. The host then gives itself a mount namespace of its own and binds what is needed below a
place every user may enter. Nobody else sees those mounts, and they end with the host.
"""

from __future__ import annotations

import ctypes
import os
import stat
from pathlib import Path

_CLONE_NEWNS = 0x00020000
_MS_BIND, _MS_REC, _MS_SLAVE = 0x1000, 0x4000, 0x80000
_PLACES = ("/mnt", "/media", "/srv", "/opt")


class Reach:
    """Call once, before any thread starts; then ask `path` for each directory that was named."""

    def __init__(self, wanted: list[Path]) -> None:
        self._moved: dict[Path, Path] = {}
        closed = [path for path in wanted if not open_to_all(path)]
        if os.geteuid() == 0 and closed:
            self._bind(closed)

    def path(self, path: Path) -> Path:
        """Where the sandbox's user finds this path, which lies in or below a directory that was named."""
        for original, moved in self._moved.items():
            if path == original or original in path.parents:
                return moved / path.relative_to(original)
        return path

    def _bind(self, closed: list[Path]) -> None:
        place = next(
            (
                Path(one)
                for one in _PLACES
                if Path(one).is_dir() and not any(Path(one) in path.parents for path in closed)
            ),
            None,
        )
        if place is None or not _own_mounts() or not _mount("tmpfs", place, "tmpfs", 0, "mode=755,size=64k"):
            return  # the probe will say what cannot be reached
        for number, path in enumerate(closed):
            target = place / str(number)
            target.mkdir()
            if _mount(str(path), target, None, _MS_BIND | _MS_REC, None):
                self._moved[path] = target


def open_to_all(path: Path) -> bool:
    """True when any user may pass through every directory down to and including this one."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in (path, *path.parents))


def _own_mounts() -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    return libc.unshare(_CLONE_NEWNS) == 0 and _mount("none", Path("/"), None, _MS_SLAVE | _MS_REC, None)


def _mount(source: str, target: Path, kind: str | None, flags: int, data: str | None) -> bool:
    libc = ctypes.CDLL(None, use_errno=True)
    words = [os.fsencode(source), os.fsencode(target), kind and kind.encode()]
    done: int = libc.mount(*words, ctypes.c_ulong(flags), data and data.encode())
    return done == 0
