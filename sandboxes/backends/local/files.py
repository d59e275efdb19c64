"""A student's files, read and written from outside the sandbox; plain blocking functions.

The folder belongs to untrusted programs that may swap anything at any time, so every step goes by descriptor
and refuses links, the text is bounded, and a write replaces the file at once.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path

from sandboxes.backends.base import (
    FILE_BYTES,
    FILES_MAX,
    FileConflict,
    FileInfo,
    FileMissing,
    FileRefused,
    FileText,
)

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._ -]{0,99}")
_DEPTH = 6
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_ASIDE = ".millrace-"


def version_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def split(path: str) -> list[str]:
    """The names of a workspace path; FileRefused unless each is a plain one."""
    names = path.split("/")
    if len(names) > _DEPTH or not all(_NAME.fullmatch(name) for name in names):
        raise FileRefused(
            f"“{path[:80]}” cannot be a file here. Use letters, digits, dots, dashes and underscores, "
            f"at most {_DEPTH} folders deep."
        )
    return names


def list_files(root: Path) -> tuple[FileInfo, ...]:
    """All plain files with ordinary names, sorted; at most FILES_MAX."""
    found: list[FileInfo] = []
    with _opened(os.open(root, _FOLDER)) as folder:
        for info in _walk(folder, ""):
            found.append(info)
            if len(found) >= FILES_MAX:
                break
    return tuple(sorted(found, key=lambda info: info.path))


def read_file(root: Path, path: str, max_bytes: int = FILE_BYTES) -> FileText:
    names = split(path)
    with _folder_of(root, names) as folder:
        content = _content(folder, names[-1], max_bytes)
    return FileText(path=path, text=content.decode("utf-8", "replace"), version=version_of(content))


def write_file(root: Path, path: str, text: str, *, base_version: str | None, owner: int | None) -> FileInfo:
    """Replace or create; owner: the user the file belongs to, None for ours."""
    names = split(path)
    content = text.encode()
    if len(content) > FILE_BYTES:
        raise FileRefused(f"The file is over {FILE_BYTES // 1024} KiB. Make it shorter or split it.")
    with _folder_of(root, names, make_for=owner if owner is not None else os.geteuid()) as folder:
        _check_base(folder, names[-1], base_version)
        _check_room(root, folder, names[-1])
        _replace(folder, names[-1], content, owner)
    return FileInfo(path=path, size=len(content), version=version_of(content))


def delete_file(root: Path, path: str) -> None:
    names = split(path)
    with contextlib.suppress(FileMissing), _folder_of(root, names) as folder:
        try:
            os.unlink(names[-1], dir_fd=folder)
        except FileNotFoundError:
            return
        except (IsADirectoryError, PermissionError) as error:
            raise FileRefused(f"“{path}” is a folder. Delete the files in it.") from error


def _check_base(folder: int, name: str, base_version: str | None) -> None:
    if base_version is None:
        return
    try:
        now = version_of(_content(folder, name, FILE_BYTES))
    except FileMissing:
        now = ""
    if now != base_version:
        raise FileConflict("This file was changed elsewhere since you opened it.", version=now)


def _check_room(root: Path, folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        return
    if len(list_files(root)) >= FILES_MAX:
        raise FileRefused(f"There are {FILES_MAX} files already. Delete some first.")


def _replace(folder: int, name: str, content: bytes, owner: int | None) -> None:
    aside = _ASIDE + secrets.token_hex(8)
    descriptor = os.open(aside, _CREATE, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            if owner is not None:
                os.fchown(descriptor, owner, owner)
        os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(aside, dir_fd=folder)
        if error.errno in (errno.EISDIR, errno.ENOTEMPTY, errno.EEXIST):
            raise FileRefused(f"“{name}” is a folder. Choose another name.") from error
        raise


def _content(folder: int, name: str, max_bytes: int) -> bytes:
    """The bytes of a plain file; never waits on a pipe, never follows a link."""
    try:
        descriptor = os.open(name, _READ, dir_fd=folder)
    except FileNotFoundError as error:
        raise FileMissing(f"There is no file “{name}”.") from error
    except OSError as error:
        raise FileRefused(f"“{name}” is not a plain file.") from error
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileRefused(f"“{name}” is not a plain file.")
    with os.fdopen(descriptor, "rb") as stream:
        content = stream.read(max_bytes + 1)
    if len(content) > max_bytes:
        raise FileRefused(f"“{name}” is over {max_bytes // 1024} KiB, too large to open here.")
    return content


@contextlib.contextmanager
def _folder_of(root: Path, names: list[str], *, make_for: int | None = None) -> Iterator[int]:
    """The open folder that holds the last name; made on the way for a user, if one is given."""
    current = os.open(root, _FOLDER)
    try:
        for name in names[:-1]:
            below = _enter(current, name, make_for)
            os.close(current)
            current = below
        yield current
    finally:
        os.close(current)


def _enter(folder: int, name: str, make_for: int | None) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=folder)
    except FileNotFoundError as error:
        if make_for is None:
            raise FileMissing(f"There is no folder “{name}”.") from error
    except OSError as error:
        raise FileRefused(f"“{name}” is not a folder.") from error
    os.mkdir(name, 0o700, dir_fd=folder)
    made = os.open(name, _FOLDER, dir_fd=folder)
    if make_for != os.geteuid():
        os.fchown(made, make_for or 0, make_for or 0)
    return made


def _walk(folder: int, above: str) -> Iterator[FileInfo]:
    """Every plain, ordinarily named file, depth first."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if _NAME.fullmatch(entry.name))[: 4 * FILES_MAX]
    for name in names:
        try:
            below = os.open(name, _FOLDER, dir_fd=folder)
        except OSError:
            with contextlib.suppress(FileMissing, FileRefused):
                yield _info(folder, name, above + name)
            continue
        with _opened(below):
            if above.count("/") < _DEPTH - 1 and name != "__pycache__":
                yield from _walk(below, f"{above}{name}/")


def _info(folder: int, name: str, path: str) -> FileInfo:
    """A file that is too large to open here is listed all the same, without a version."""
    try:
        content = _content(folder, name, FILE_BYTES)
    except FileRefused:
        seen = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISREG(seen.st_mode):
            raise
        return FileInfo(path=path, size=seen.st_size, version="")
    return FileInfo(path=path, size=len(content), version=version_of(content))


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
