"""A log file that cannot fill the disk: when it has grown big, it is put aside, and one aside is kept.

A log is worth less than the process that writes it: lines that cannot be written are lost, and the next that
can be are preceded by a line that says so. Nothing here raises.
"""

import contextlib
import io
from pathlib import Path

MOST_BYTES = 10_000_000


class LogFile:
    """Append-only; at most about twice `most` bytes on disk, as NAME.log and NAME.log.1."""

    def __init__(self, path: Path, most: int = MOST_BYTES) -> None:
        self._path, self._most = path, most
        self._file: io.FileIO | None = None
        self._lost = ""

    def write(self, lines: bytes) -> None:
        """Whole lines, so that none is torn apart between two files."""
        if not lines:
            return
        try:
            file = self._file or self._open()
            if file.tell() > self._most:
                file = self._put_aside()
            if self._lost:
                file.write(f"-- lines are missing here: {self._lost} --\n".encode())
            file.write(lines)
            self._lost = ""
        except OSError as error:
            self._lost = error.strerror or str(error)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            if self._file:
                self._file.close()

    def _open(self) -> io.FileIO:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what could not be written must not come back with every later line.
        self._file = io.FileIO(self._path, "ab")
        return self._file

    def _put_aside(self) -> io.FileIO:
        self.close()
        self._file = None
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        return self._open()
