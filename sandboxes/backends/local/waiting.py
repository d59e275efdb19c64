"""Blocking work beside the event loop, without leaving any of it behind."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def in_thread(work: Callable[..., None], *arguments: object) -> None:
    """Run blocking work; when we are cancelled, wait for it first, so that nothing works behind our back."""
    task = asyncio.ensure_future(asyncio.to_thread(work, *arguments))
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.gather(task, return_exceptions=True)
        raise
