"""The first change at once, the rest together: a flush at most every 15 ms, the first without waiting.

The tails pause between their fetches already, so that what one of them brings need not wait here again; this
is for changes that come from several places at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

INTERVAL_S = 0.015


class Pacer:
    """Calls `flush` soon after `touch`: at once after a quiet time, else 15 ms after the last.

    Nothing is flushed before `open`.
    """

    def __init__(self, flush: Callable[[], Awaitable[None]]) -> None:
        self._flush = flush
        self._touched = asyncio.Event()
        self._opened = asyncio.Event()

    def open(self) -> None:
        """Begin, with what there is now."""
        if not self._opened.is_set():
            self._opened.set()
            self._touched.set()

    def touch(self) -> None:
        self._touched.set()

    async def run(self) -> None:
        await self._opened.wait()
        last = 0.0
        while True:
            await self._touched.wait()
            rest = last + INTERVAL_S - time.monotonic()
            if rest > 0:
                await asyncio.sleep(rest)
            self._touched.clear()
            last = time.monotonic()
            await self._flush()
