"""Blocking work of the local host, which is never left behind."""

import asyncio
import threading

import pytest

from sandboxes.backends.local.waiting import in_thread


async def test_however_often_it_is_cancelled_the_work_is_over_first() -> None:
    """A goal that is taken over cancels its driver, and the next driver does so again."""
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go_on.wait(30)
        done.set()

    waiting = asyncio.create_task(in_thread(work))
    await asyncio.to_thread(begun.wait, 30)
    for _ in range(3):
        waiting.cancel()
        await asyncio.sleep(0.01)
        assert not waiting.done()
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert done.is_set()


async def test_what_the_work_raises_is_raised() -> None:
    def work() -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        await in_thread(work)
