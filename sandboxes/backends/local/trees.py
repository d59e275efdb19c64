"""Trees of folders that belong to untrusted programs: how much is in one, and how to be rid of it.

A tree may be deeper than any path is long, and may change at any time. So every step goes by descriptor,
one folder is open at a time, and no link is followed.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import NamedTuple

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_HANDLE = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_TRIES = 3
_GONE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}  # or something else has taken its place


class Usage(NamedTuple):
    """Bytes on disk, and files and folders."""

    size: int
    files: int

    def exceeds(self, most: Usage) -> bool:
        return self.size > most.size or self.files > most.files


class Moving(OSError):
    """Folders were moved while they were walked through, so what was seen means nothing."""


def usage(root: Path, *, most: Usage) -> Usage:
    """What is below a folder; stops counting once it is more than `most`. Raises OSError, Moving."""
    for _ in range(_TRIES - 1):
        with contextlib.suppress(Moving):
            return _count(root, most)
    return _count(root, most)


def remove(root: Path) -> None:
    """Delete a folder that no program can change any more, whatever rights were left. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        with contextlib.closing(_Walker(root)) as here:
            folders = [_without_files(here.at)]
            while folders:
                if folders[-1]:
                    here.enter(folders[-1][-1])
                    folders.append(_without_files(here.at))
                elif len(folders) > 1:
                    folders.pop()
                    here.leave()
                    os.rmdir(folders[-1].pop(), dir_fd=here.at)
                else:
                    break
        root.rmdir()


class _Walker:
    """Stands in one folder of a tree at a time; `at` is its descriptor."""

    def __init__(self, root: Path) -> None:
        self._above: list[tuple[int, int]] = []
        self.at = _opened(str(root), None)

    def enter(self, name: str) -> None:
        below = _opened(name, self.at)
        self._above.append(_identity(self.at))
        os.close(self.at)
        self.at = below

    def leave(self) -> None:
        """Up again, which is where we came from unless somebody moves folders meanwhile."""
        try:
            up = os.open("..", _FOLDER, dir_fd=self.at)
        except FileNotFoundError as error:
            raise Moving(errno.EAGAIN, "its folders are being removed") from error
        os.close(self.at)
        self.at = up
        if _identity(up) != self._above.pop():
            raise Moving(errno.EAGAIN, "its folders are being moved")

    def close(self) -> None:
        os.close(self.at)


def _count(root: Path, most: Usage) -> Usage:
    try:
        walker = _Walker(root)
    except FileNotFoundError:
        return Usage(0, 0)
    with contextlib.closing(walker) as here:
        found, names = _look(here.at, Usage(0, 0), most)
        folders = [names]
        while not found.exceeds(most):
            if folders[-1]:
                if _entered(here, folders[-1].pop()):
                    found, names = _look(here.at, found, most)
                    folders.append(names)
            elif len(folders) > 1:
                folders.pop()
                here.leave()
            else:
                break
    return found


def _entered(here: _Walker, name: str) -> bool:
    """False when it has gone since it was seen."""
    try:
        here.enter(name)
    except OSError as error:
        if error.errno not in _GONE:
            raise
        return False
    return True


def _look(folder: int, found: Usage, most: Usage) -> tuple[Usage, list[str]]:
    """What has been found with this folder's own entries, and the names of the folders among them."""
    names: list[str] = []
    with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:  # removed by now
        for entry in entries:
            try:
                seen = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            found = Usage(found.size + seen.st_blocks * 512, found.files + 1)
            if found.exceeds(most):
                break
            if stat.S_ISDIR(seen.st_mode):
                names.append(entry.name)
    return found, names


def _without_files(folder: int) -> list[str]:
    """Remove all but the folders from a folder; their names."""
    os.fchmod(folder, 0o700)
    with os.scandir(folder) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)
    return [name for name, is_folder in found if is_folder]


def _opened(name: str, above: int | None) -> int:
    """A folder, opened; rights that its programs took away from it are given back."""
    try:
        return os.open(name, _FOLDER, dir_fd=above)
    except PermissionError:
        handle = os.open(name, _HANDLE, dir_fd=above)
        try:
            Path(f"/proc/self/fd/{handle}").chmod(0o700)
        finally:
            os.close(handle)
        return os.open(name, _FOLDER, dir_fd=above)


def _identity(folder: int) -> tuple[int, int]:
    seen = os.fstat(folder)
    return seen.st_dev, seen.st_ino
