"""A sampler driven by hand from code that is not asynchronous: now and then, or at a steady pace."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Coroutine, Iterator
from typing import Any, TypeVar

from live.feed import Feed, connect
from live.stopping import stop
from live.stream import Output
from tests.live.sampling import HandSampler

T = TypeVar("T")

_RENEW_S = 2.0


class Sampler:
    """Holds the lease of one sandbox while it is entered, in a thread of its own."""

    def __init__(self, redis_url: str, hex_id: str, *, partitions: int = 2) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.hand = self._do(self._start(redis_url, hex_id, partitions))
        asyncio.run_coroutine_threadsafe(self._renew(), self._loop)

    def __enter__(self) -> Sampler:
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._rest())
        self._do(self.hand.feed.release(self.hand.hex_id, self.hand.token))
        self._do(self.hand.feed.redis.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def place(self) -> dict[str, object]:
        """Where the sequence stands."""
        assert self.hand.stream
        return {"epoch": self.hand.stream.epoch, "seq": self.hand.stream.seq}

    def produce(self, count: int = 1, topic: str = "orders", value: bytes = b"v") -> Output:
        return self._do(self.hand.produce_now(topic, count=count, value=value))

    @contextlib.contextmanager
    def at_a_pace(self, per_s: float, *, count: int = 1, size: int = 90) -> Iterator[None]:
        """Flush so often, with so many records of so many bytes each time."""
        pacing = asyncio.run_coroutine_threadsafe(self._pace(1 / per_s, count, b"x" * size), self._loop)
        try:
            yield
        finally:
            pacing.cancel()
            with contextlib.suppress(BaseException):
                pacing.result(5)

    async def _pace(self, gap_s: float, count: int, value: bytes) -> None:
        due = time.monotonic()
        while True:
            await self.hand.produce_now(count=count, value=value)
            due += gap_s
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _start(self, redis_url: str, hex_id: str, partitions: int) -> HandSampler:
        return await HandSampler(Feed(connect(redis_url)), hex_id, partitions=partitions).start()

    async def _rest(self) -> None:
        """A pace that was only told to stop may not have, on a busy machine."""
        await stop(asyncio.all_tasks() - {asyncio.current_task()})

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            stream = self.hand.stream
            assert stream
            await self.hand.feed.renew(self.hand.hex_id, self.hand.token, stream.epoch, stream.seq)

    def _do(self, what: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result(10)
