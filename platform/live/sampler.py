"""The sampler process: one Watch for each sandbox that somebody watches, and nothing for any other."""

from __future__ import annotations

import asyncio
import contextlib
import logging

from redis.exceptions import RedisError

from live import metrics
from live.feed import KNOCK, Feed
from live.stopping import stop
from live.watch import Resolve, Watch

logger = logging.getLogger(__name__)

LOOK_S = 1.0
# Beyond this a second process should share the work; by measurement one core carries about 200 quiet ones.
MOST_WATCHES = 100


class Sampler:
    """Looks once a second, and whenever somebody knocks, for sandboxes that are watched and not sampled
    yet.
    """

    def __init__(self, feed: Feed, resolve: Resolve) -> None:
        self._feed = feed
        self._resolve = resolve
        self._watches: dict[str, tuple[Watch, asyncio.Task[None]]] = {}
        self._gone: set[str] = set()
        self._knocked = asyncio.Event()
        self._is_full = False

    async def run(self) -> None:
        """Until cancelled; then give every lease back."""
        knocks = asyncio.create_task(self._listen())
        try:
            while True:
                with contextlib.suppress(RedisError):
                    await self._look()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._knocked.wait(), LOOK_S)
                self._knocked.clear()
        finally:
            await stop([knocks, *(task for _, task in self._watches.values())])

    async def _look(self) -> None:
        self._clear_away()
        watched = await self._feed.watched()
        self._gone &= watched
        metrics.WATCHES.set(len(self._watches))
        for hex_id in watched - self._gone:
            if hex_id not in self._watches and len(self._watches) < MOST_WATCHES:
                watch = Watch(hex_id, self._feed, self._resolve)
                self._watches[hex_id] = (watch, asyncio.create_task(watch.run()))
        self._say_if_full(len(watched - self._gone - set(self._watches)))

    def _say_if_full(self, left: int) -> None:
        """Those left are another sampler's, if there is one: then each says how many it leaves to others."""
        metrics.UNWATCHED.set(left)
        if left and not self._is_full:
            logger.warning("live.full", extra={"watches": MOST_WATCHES, "left": left})
        self._is_full = bool(left)

    def _clear_away(self) -> None:
        """Forget watches that have ended. A deleted sandbox stays watched by name until its pages notice."""
        for hex_id, (watch, task) in list(self._watches.items()):
            if task.done():
                self._report(hex_id, task)
                del self._watches[hex_id]
                if watch.is_gone:
                    self._gone.add(hex_id)

    @staticmethod
    def _report(hex_id: str, task: asyncio.Task[None]) -> None:
        """A watch that fell over is started again by the next look; say what it fell over."""
        if not task.cancelled() and (error := task.exception()):
            logger.error("live.fell", extra={"sandbox": hex_id}, exc_info=error)

    async def _listen(self) -> None:
        """Wake up when a hub says that its viewers have changed; a broken subscription is made again."""
        while True:
            with contextlib.suppress(RedisError, OSError):
                async with self._feed.listener() as ear:
                    await ear.subscribe(KNOCK)
                    async for message in ear.listen():
                        self._heard(message)
            await asyncio.sleep(LOOK_S)

    def _heard(self, message: dict[str, object]) -> None:
        data = message.get("data")
        if message.get("type") == "message" and isinstance(data, bytes):
            hex_id = data.decode("ascii", "replace")
            self._gone.discard(hex_id)
            if known := self._watches.get(hex_id):
                known[0].look()
            self._knocked.set()
