"""Blocking work beside the event loop, without leaving any of it behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def in_thread(work: Callable[..., None], *arguments: object) -> None:
    """Run blocking work; when we are cancelled, once or often, wait for it first.

    So nothing works behind our back. Raises what the work raises, or CancelledError.
    """
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:  # `wait` leaves the task alone, unlike `gather`
            cancelled = error
    if cancelled:
        task.exception()  # asked for, so that asyncio does not report it as missed
        raise cancelled
    task.result()
