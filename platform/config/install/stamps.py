"""Notes of what has been done already: a step is up to date while its fingerprint stays the same."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from config import paths


@dataclass(frozen=True, slots=True)
class Stamps:
    """The notes kept in one folder, one small file per step."""

    folder: Path

    def is_fresh(self, name: str, mark: str) -> bool:
        """True when step `name` was last finished with this very fingerprint."""
        try:
            return (self.folder / name).read_text() == mark
        except FileNotFoundError:
            return False

    def write(self, name: str, mark: str) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(mark)

    def forget(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)


# What was downloaded and built may serve several installations; database and course belong to one.
SHARED = Stamps(paths.CACHE_DIR / "stamps")
OWN = Stamps(paths.DATA_DIR / "stamps")


def fingerprint(*parts: str | bytes | Path) -> str:
    """A short digest of texts and of files' contents; a missing file counts as empty."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(_content(part))
        digest.update(b"\0")
    return digest.hexdigest()[:24]


def tree_fingerprint(folders: Iterable[Path], *parts: str) -> str:
    """A digest of names, sizes and times of all files below; cheap enough for every start."""
    lines = [line for folder in folders for line in _listing(folder)]
    return fingerprint(*parts, "\n".join(lines))


def _content(part: str | bytes | Path) -> bytes:
    if isinstance(part, Path):
        return part.read_bytes() if part.exists() else b""
    return part.encode() if isinstance(part, str) else part


def _listing(folder: Path) -> list[str]:
    return sorted(
        f"{path} {(stat := path.stat()).st_size} {stat.st_mtime_ns}"
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    )
