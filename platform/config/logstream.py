"""Log lines on the standard error, without a queue of threads in front of it.

With Python's own handler, whoever brings a line waits until all before have written theirs; and to write is
to let go of the interpreter, for which others wait as well. In a rush much of an answer's time went there.
Here nobody waits: who comes while somebody writes leaves the line to them.
"""

import logging
from collections import deque
from typing import TextIO

MOST_LEFT = 10_000


class LogStream(logging.StreamHandler[TextIO]):
    """Whole lines, in the order in which they came; written at once unless somebody is writing already."""

    def __init__(self, stream: TextIO | None = None) -> None:
        """stream: the standard error, unless another is given."""
        super().__init__(stream)
        self._left: deque[str] = deque()

    def handle(self, record: logging.LogRecord) -> bool:
        """As every handler's, but without its lock."""
        passes = bool(self.filter(record))
        if passes:
            self.emit(record)
        return passes

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._left.append(f"{self.format(record)}{self.terminator}")
        except Exception:  # noqa: BLE001  a line is no reason to fail what it is about
            self.handleError(record)
        self._write_what_is_left(record)

    def _write_what_is_left(self, record: logging.LogRecord) -> None:
        """Looked at again after each turn: what came before its end was left to us, and to nobody else.

        A turn that fails, as on a full disk, loses its lines and no others. Whoever finds that very many are
        left waits after all, so that a stream that nobody reads holds the program up and not its memory.
        """
        while self._left and self.lock and self.lock.acquire(blocking=len(self._left) > MOST_LEFT):
            try:
                self.stream.write("".join(self._taken()))
                self.stream.flush()
            except Exception:  # noqa: BLE001  as above
                self.handleError(record)
            finally:
                self.lock.release()

    def _taken(self) -> list[str]:
        """Only who holds the lock takes any."""
        return [self._left.popleft() for _ in range(len(self._left))]
