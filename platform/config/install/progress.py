"""What set-up tells the person who waits: one line per finished step, and on a terminal who is at work."""

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

_WIDTH = 26


class Progress:
    """Lines with times. Thread-safe: steps of several chains report through one object."""

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._lock = threading.Lock()
        self._working: dict[str, float] = {}
        self._live = self._out.isatty()

    def fresh(self, title: str) -> None:
        self._line(f"  {title:<{_WIDTH}} up to date")

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """Time one step; what is put into the yielded list becomes its closing note."""
        notes: list[str] = []
        started = time.monotonic()
        self._begin(title, started)
        try:
            yield notes
        except BaseException:
            self._end(title, f"  {title:<{_WIDTH}} stopped")
            raise
        took = time.monotonic() - started
        self._end(title, f"  {title:<{_WIDTH}} {took:6.1f} s  {' '.join(notes)}".rstrip())

    def _begin(self, title: str, started: float) -> None:
        with self._lock:
            self._working[title] = started
            self._show_working()

    def _end(self, title: str, line: str) -> None:
        with self._lock:
            self._working.pop(title, None)
            self._clear()
            self._print(line)
            self._show_working()

    def _line(self, line: str) -> None:
        with self._lock:
            self._clear()
            self._print(line)
            self._show_working()

    def _show_working(self) -> None:
        if self._live and self._working:
            self._out.write(f"\r\033[K  … {', '.join(self._working)}"[:120])
            self._out.flush()

    def _clear(self) -> None:
        if self._live:
            self._out.write("\r\033[K")

    def _print(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()
