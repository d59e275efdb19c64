"""What keeps a lane small, whatever is written to its topic: an allowance, a store of so many bytes."""

from __future__ import annotations

from collections import deque


class Allowance:
    """What may be spent: so much a second, saved up to so much at most. It may be overdrawn once."""

    def __init__(self, per_s: float, most: float) -> None:
        self._per_s, self._most = per_s, most
        self._refilled_at = 0.0
        self.left = most

    def refill(self, now: float) -> None:
        """now: monotonic seconds."""
        self.left = min(self._most, self.left + (now - self._refilled_at) * self._per_s)
        self._refilled_at = now

    def spend(self, some: float) -> None:
        self.left -= some


class Kept:
    """The newest of each row, oldest first, and of all rows together so many bytes: the longest gives way."""

    def __init__(self, *, per_row: int, most_bytes: int) -> None:
        self._per_row, self._most_bytes = per_row, most_bytes
        self._rows: dict[int, deque[bytes]] = {}
        self._bytes = 0

    def add(self, row: int, one: bytes) -> None:
        kept = self._rows.setdefault(row, deque())
        kept.append(one)
        self._bytes += len(one)
        if len(kept) > self._per_row:
            self._drop(kept)
        while self._bytes > self._most_bytes:
            self._drop(max(self._rows.values(), key=len))

    def newest(self, most: int) -> list[bytes]:
        """The last `most` of each row, by row."""
        rows = (list(kept) for _, kept in sorted(self._rows.items()))
        return [one for kept in rows for one in kept[max(0, len(kept) - most) :]]

    def _drop(self, kept: deque[bytes]) -> None:
        self._bytes -= len(kept.popleft())
