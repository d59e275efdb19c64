"""A log file that cannot fill the disk: when it has grown big, it is put aside, and one aside is kept."""

from pathlib import Path

MOST_BYTES = 10_000_000


class LogFile:
    """Append-only; at most about twice `most` bytes on disk, as NAME.log and NAME.log.1."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self._path, self._most = path, most
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("ab")

    def write(self, lines: bytes) -> None:
        """Whole lines, so that none is torn apart between two files."""
        if not lines:
            return
        if self._file.tell() > self._most:
            self._file.close()
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            self._file = self._path.open("ab")
        self._file.write(lines)
        self._file.flush()

    def close(self) -> None:
        self._file.close()
