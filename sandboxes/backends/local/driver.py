"""One piece of work at a time: a newer one ends the one in work, and begins when that has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Work = Callable[[], Awaitable[None]]


class Driver:
    """For one loop. What work raises is its own to catch; it is cancelled when other work takes over."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_busy(self) -> bool:
        return any(not task.done() for task in self._tasks)

    def take_up(self, work: Work) -> None:
        """Begin it as soon as nothing else is in work any more."""
        before = self._cancelled()
        self._tasks = before | {asyncio.create_task(_after(before, work))}

    async def end(self) -> None:
        """Nothing is in work when this returns."""
        if left := self._cancelled():
            await asyncio.wait(left)

    def _cancelled(self) -> set[asyncio.Task[None]]:
        """All that has not ended yet, told to: a task that had not begun never waited for those before it."""
        left = {task for task in self._tasks if not task.done()}
        for task in left:
            task.cancel()
        return left


async def _after(before: set[asyncio.Task[None]], work: Work) -> None:
    if before:
        await asyncio.wait(before)
    await work()
