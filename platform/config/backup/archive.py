"""The archive itself: a compressed tar that any tar can list, written and read with every file's checksum.

What is in a sandbox was made by a student and is not trusted: links are kept as links and never followed,
neither when they are read nor when they are put back; sockets, pipes and devices are left out.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import IO, cast

from config.backup.faults import BackupFault
from config.backup.manifest import Manifest

_MANIFEST = "manifest.json"
_CHUNK = 1 << 20
# Data of Kafka shrinks well at the lowest level already, and a backup is not to use up a core.
_LEVEL = 1
# Deeper folders are somebody's experiment, and might be too deep for the place they are put back to.
_NAME_BYTES = 1000

Tick = Callable[[], None]


def _no_tick() -> None:
    return


class Writer:
    """Fill with `add`, end with `finish`; before that there is only NAME.partial, which is no archive."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._partial = path.with_name(f"{path.name}.partial")
        self._partial.unlink(missing_ok=True)
        self._raw = os.fdopen(os.open(self._partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb")
        self._zip = gzip.GzipFile(fileobj=self._raw, mode="wb", compresslevel=_LEVEL, mtime=0)
        self._tar = tarfile.open(fileobj=self._zip, mode="w|", format=tarfile.PAX_FORMAT)  # noqa: SIM115
        self.files: dict[str, str] = {}

    def add(self, path: Path, name: str, *, tick: Tick = _no_tick) -> None:
        """One file, link or empty folder under this name. tick: called now and then while it takes long."""
        self._add(path, _entry(name, path.lstat()), tick)

    def add_tree(self, folder: Path, name: str, *, without: frozenset[str], tick: Tick = _no_tick) -> None:
        """A folder with all below it, except what is directly in it under one of these names.

        Raises OSError for what cannot be read, and what `tick` raises; the archive goes on being one.
        """
        waiting = [(folder, name)]
        with ExitStack() as opened:
            while waiting:
                path, inner = waiting.pop()
                if len(os.fsencode(inner)) > _NAME_BYTES:
                    continue
                entry = _entry(inner, opened.enter_context(_readable(path)))
                self._add(path, entry, tick)
                if entry.isdir():
                    children = (
                        child for child in path.iterdir() if path != folder or child.name not in without
                    )
                    waiting += [(child, f"{inner}/{child.name}") for child in children]

    def _add(self, path: Path, entry: tarfile.TarInfo, tick: Tick) -> None:
        if entry.isreg():
            self._add_file(path, entry, tick)
        elif entry.issym():
            entry.linkname = os.readlink(path)  # noqa: PTH115 - as it stands
            self._tar.addfile(entry)
        elif entry.isdir():
            self._tar.addfile(entry)

    def _add_file(self, path: Path, entry: tarfile.TarInfo, tick: Tick) -> None:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            entry.size = os.fstat(file.fileno()).st_size
            read = _Reading(file, tick)
            self._tar.addfile(entry, cast(IO[bytes], read))
        if read.trouble:
            raise read.trouble
        self.files[entry.name] = read.digest

    def finish(self, manifest: Manifest) -> None:
        """Write the manifest, bring everything to disk, and give the archive its name."""
        text = manifest.to_json()
        entry = tarfile.TarInfo(_MANIFEST)
        entry.size = len(text)
        self._tar.addfile(entry, io.BytesIO(text))
        self._tar.close()
        self._zip.close()
        self._raw.flush()
        os.fsync(self._raw.fileno())
        self._raw.close()
        self._partial.replace(self.path)

    def give_up(self) -> None:
        """Leave nothing behind."""
        for open_one in (self._tar, self._zip, self._raw):
            with suppress(OSError):  # a full disk is perhaps why we give up
                open_one.close()
        self._partial.unlink(missing_ok=True)


class _Reading:
    """A file whose content is hashed as it is read.

    trouble: what came in the way. The promised length is kept all the same, with zeros: the entries that
    follow in the archive must stay where they belong.
    """

    def __init__(self, file: IO[bytes], tick: Tick) -> None:
        self._file, self._tick, self._hash = file, tick, hashlib.sha256()
        self.trouble: Exception | None = None

    def read(self, size: int) -> bytes:
        data = b"" if self.trouble else self._try(size)
        self._hash.update(data)
        return data.ljust(size, b"\0")

    def _try(self, size: int) -> bytes:
        try:
            self._tick()
            data = self._file.read(size)
        except Exception as trouble:  # noqa: BLE001 - raised by whoever asked, once the entry is whole
            self.trouble = trouble
            return b""
        if len(data) < size:
            self.trouble = OSError("it became shorter while it was read")
        return data

    @property
    def digest(self) -> str:
        return self._hash.hexdigest()


@contextmanager
def _readable(path: Path) -> Iterator[os.stat_result]:
    """What it was. For an ordinary user: a student may have taken away the right to read what is ours."""
    seen = path.lstat()
    needed = stat.S_IRWXU if stat.S_ISDIR(seen.st_mode) else stat.S_IRUSR
    ours = stat.S_ISDIR(seen.st_mode) or stat.S_ISREG(seen.st_mode)
    shut = ours and os.geteuid() != 0 and seen.st_mode & needed != needed
    if shut:
        path.chmod(stat.S_IMODE(seen.st_mode) | needed)
    try:
        yield seen
    finally:
        if shut:
            path.chmod(stat.S_IMODE(seen.st_mode))


_KINDS = {stat.S_IFREG: tarfile.REGTYPE, stat.S_IFDIR: tarfile.DIRTYPE, stat.S_IFLNK: tarfile.SYMTYPE}


def _entry(name: str, seen: os.stat_result) -> tarfile.TarInfo:
    """Sockets, pipes and devices get the kind FIFO, which nobody writes."""
    entry = tarfile.TarInfo(name)
    entry.type = _KINDS.get(stat.S_IFMT(seen.st_mode), tarfile.FIFOTYPE)
    entry.mode, entry.uid, entry.gid = stat.S_IMODE(seen.st_mode), seen.st_uid, seen.st_gid
    entry.mtime = seen.st_mtime
    return entry


def unpack(path: Path, target: Path) -> Manifest:
    """Put everything below `target`, an empty folder, as the manifest says; raises BackupFault."""
    if not path.is_file():
        raise BackupFault(f"There is no archive at {path}.", "Say where it is. Nothing was changed.")
    try:
        with tarfile.open(path, mode="r|gz") as tar:
            return _unpack(tar, target)
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, ValueError, TypeError, KeyError) as error:
        raise _broken(path, "is damaged or was cut off") from error


def _broken(path: Path, how: str) -> BackupFault:
    return BackupFault(f"The archive {path} {how}.", "Take another one. Nothing was changed.")


def _unpack(tar: tarfile.TarFile, target: Path) -> Manifest:
    found: dict[str, str] = {}
    links: set[PurePosixPath] = set()
    folders: list[tuple[tarfile.TarInfo, Path]] = []
    for entry in tar:
        if entry.name == _MANIFEST:
            text = tar.extractfile(entry)
            assert text is not None
            for folder, place in reversed(folders):  # last, so that one that was shut could be filled
                place.chmod(folder.mode & 0o777)
            return _checked(Manifest.from_json(text.read()), found)
        place = target / _safe(entry.name, links)
        if entry.issym():
            links.add(PurePosixPath(entry.name))
            place.symlink_to(entry.linkname)
        elif entry.isdir():
            place.mkdir(mode=0o700, exist_ok=True)
            folders.append((entry, place))
        elif entry.isfile():
            found[entry.name] = _write(tar, entry, place)
        _give_back(entry, place)
    raise ValueError("it ends without its manifest")


def _safe(name: str, links: set[PurePosixPath]) -> PurePosixPath:
    """The name, when it can only mean a place below the target."""
    path = PurePosixPath(name)
    if (
        path.is_absolute()
        or ".." in path.parts
        or any(parent in links for parent in path.parents)
        or path in links
    ):
        raise ValueError(f"{name} leads elsewhere")
    return path


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, place: Path) -> str:
    """The content's checksum."""
    source, seen = tar.extractfile(entry), hashlib.sha256()
    assert source is not None
    with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
        for data in _chunks(source):
            seen.update(data)
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return seen.hexdigest()


def _chunks(source: IO[bytes]) -> Iterator[bytes]:
    while data := source.read(_CHUNK):
        yield data


def _give_back(entry: tarfile.TarInfo, place: Path) -> None:
    """Owner and rights as they were; an ordinary user owns what they unpack."""
    if os.geteuid() == 0:
        os.lchown(place, entry.uid, entry.gid)
    if entry.isfile():
        place.chmod(entry.mode & 0o777)
        os.utime(place, (entry.mtime, entry.mtime))


def _checked(manifest: Manifest, found: dict[str, str]) -> Manifest:
    """What the manifest does not list was not whole when it was read, and is left for the caller to drop."""
    if any(found.get(name) != digest for name, digest in manifest.files.items()):
        raise ValueError("a file is not what the manifest says")
    return manifest
