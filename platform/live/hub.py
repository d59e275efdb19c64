"""One per web process: a single Redis subscription, fanned out to every viewer of this process.

A frame comes once from Redis and its text is shared by all viewers. The hub keeps the last frames of each
sandbox, so that a browser that was cut off gets exactly what it missed, and a snapshot otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Coroutine, Iterable, Iterator
from typing import Any

import orjson
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from live import frames, metrics
from live.channel import RECONNECT_S, Channel, Follow
from live.feed import OPS, WATCH_S, Feed, frames_channel
from live.ops import Place
from live.picture import now_ms
from live.stopping import stop
from live.viewer import Viewer

logger = logging.getLogger(__name__)

RENEW_S = WATCH_S / 3
WISH_S = 1.0
TICK_S = 0.5
PING_S = 15.0
# A page that is loaded again finds everything as it was; then its sandbox may sleep.
LINGER_S = 4.0
_LISTEN_S = 5.0

# Takes an operation that came to some web process for a tab that may be here: its name, and the text.
TakeOp = Callable[[str, str], None]


@contextlib.contextmanager
def _one_alone(event: str) -> Iterator[None]:
    """What one message or one sandbox breaks, the others of this process must not feel."""
    try:
        yield
    except Exception:
        logger.exception(event)


class Hub:
    """Made on a running loop; `close` it. All methods are for that loop only.

    follow: where control events come from; take_op: whom to give operations that came over HTTP.
    """

    def __init__(self, feed: Feed, follow: Follow | None = None, take_op: TakeOp | None = None) -> None:
        self._feed = feed
        self._follow = follow
        self._take_op = take_op
        self._channels: dict[str, Channel] = {}
        self._ear: PubSub | None = None
        self._tasks = [asyncio.create_task(run()) for run in (self._listen, self._renew, self._tick)]
        self._knocks: set[asyncio.Task[None]] = set()
        self._subscribed: set[str] = set()
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        await stop([*self._tasks, *self._knocks])
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        if self._ear:
            with contextlib.suppress(RedisError):
                await self._ear.aclose()  # type: ignore[no-untyped-call]
        await self._feed.redis.aclose()

    @property
    def viewers(self) -> list[Viewer]:
        return [viewer for channel in self._channels.values() for viewer in channel.viewers]

    # -- For consumers -------------------------------------------------------------------------------------

    def attach(self, hex_id: str, viewer: Viewer, resume: Place | None, *, greet: bool = True) -> None:
        """Watch a sandbox from `resume` on, or from a snapshot. Again for a viewer that asks to resume."""
        channel = self._channels.get(hex_id)
        if channel is None:
            channel = self._channels[hex_id] = Channel(hex_id, self._feed, self._follow)
            channel.listen()
            self._soon(self._subscribe())
        channel.attach(viewer, resume, greet=greet)
        if channel.is_quiet:
            viewer.say(channel.ping())
        self._wish(channel)

    def ping(self, hex_id: str) -> frames.Ping:
        """The time, and when the sampler of a sandbox was heard last."""
        channel = self._channels.get(hex_id)
        return channel.ping() if channel else frames.Ping(t=now_ms(), heard=0)

    def view(self, hex_id: str, viewer: Viewer, topics: Iterable[str]) -> None:
        """Change what a viewer views; topics that are new to it come with a snapshot."""
        wanted = frozenset(topics)
        added = wanted - viewer.topics
        viewer.topics = wanted
        if added:
            channel = self._channels[hex_id]
            if not viewer.is_paused:
                channel.attach(viewer, None, greet=False)
            self._wish(channel)

    def detach(self, hex_id: str, viewer: Viewer) -> None:
        channel = self._channels.get(hex_id)
        if channel:
            channel.detach(viewer)
            channel.left_at = time.monotonic()

    def missed_since(self, hex_id: str, t: int) -> list[frames.Control]:
        """The control events about a sandbox from `t` on; for a tab that has just come (0), whether there may
        have been any.
        """
        channel = self._channels.get(hex_id)
        return channel.news.since(t) if channel else []

    async def pass_on(self, name: str, text: str) -> None:
        """Give an operation to whichever web process has the tab of that name. Raises RedisError."""
        await self._feed.redis.publish(OPS, orjson.dumps([name, text]))

    # -- Redis ---------------------------------------------------------------------------------------------

    def _soon(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._knocks.add(task)
        task.add_done_callback(self._knocks.discard)

    def _wish(self, channel: Channel) -> None:
        """Tell samplers what is viewed now, when they do not know, or were not told for a while."""
        topics, now = channel.topics, time.monotonic()
        if channel.wished is None or not topics <= channel.wished or now - channel.wished_at > WISH_S:
            channel.wished, channel.wished_at = topics | (channel.wished or frozenset()), now
            self._soon(self._knock(channel))

    async def _knock(self, channel: Channel) -> None:
        with contextlib.suppress(RedisError):
            await self._feed.keep_watching(channel.hex_id, channel.topics)
            await self._feed.knock(channel.hex_id)

    async def _renew(self) -> None:
        """Keep every sandbox that has a viewer watched."""
        while True:
            await asyncio.sleep(RENEW_S)
            with contextlib.suppress(RedisError):
                for channel in list(self._channels.values()):
                    channel.wished = channel.topics
                    await self._feed.keep_watching(channel.hex_id, channel.topics)

    async def _listen(self) -> None:
        """One subscription for all sandboxes; a broken one is made anew, and what was missed is read."""
        was_cut = False
        while True:
            try:
                async with self._feed.listener() as ear:
                    await ear.subscribe(OPS)
                    self._ear = ear
                    await self._subscribe()
                    self._listen_again(was_cut)
                    while True:
                        message = await ear.get_message(timeout=_LISTEN_S)
                        with _one_alone("live.hub.message"):
                            self._heard(message)
            except (RedisError, OSError) as error:
                logger.warning("live.hub.cut", extra={"error": str(error)})
                was_cut = True
            self._ear = None
            self._subscribed.clear()
            for channel in self._channels.values():
                channel.subscribed.clear()
            await asyncio.sleep(RECONNECT_S)

    def _listen_again(self, was_cut: bool) -> None:
        """What Redis was told before is perhaps forgotten, and what it told others was not heard here."""
        for channel in self._channels.values() if was_cut else ():
            channel.listen()
            self._soon(self._knock(channel))

    async def _subscribe(self) -> None:
        """Make the subscription fit the channels. While there is none, making it anew will."""
        async with self._turn:
            ear, wanted = self._ear, set(self._channels)
            if ear is None:
                return
            for hex_id in wanted & self._subscribed:
                self._channels[hex_id].subscribed.set()
            new, gone = wanted - self._subscribed, self._subscribed - wanted
            self._subscribed = wanted
            with contextlib.suppress(RedisError, OSError):  # the listener meets the same error
                if new:
                    await ear.subscribe(*map(frames_channel, new))
                if gone:
                    await ear.unsubscribe(*map(frames_channel, gone))

    def _heard(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        if message["type"] == "message" and message["channel"] == OPS.encode():
            if self._take_op:
                self._take_op(*orjson.loads(message["data"]))
            return
        channel = self._channels.get(message["channel"].decode().rpartition(":")[2])
        if channel is None:
            return
        if message["type"] == "subscribe":
            channel.subscribed.set()
            channel.reload()
        elif message["type"] == "message":
            channel.receive(message["data"])

    # -- Time ----------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        pinged = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            is_ping_due = now - pinged >= PING_S
            pinged = now if is_ping_due else pinged
            metrics.VIEWERS.set(sum(len(channel.viewers) for channel in self._channels.values()))
            for channel in list(self._channels.values()):
                with _one_alone("live.hub.tick"):
                    self._tick_one(channel, now, is_ping_due)

    def _tick_one(self, channel: Channel, now: float, is_ping_due: bool) -> None:
        is_ping_due = channel.has_turned() or is_ping_due
        for viewer in list(channel.viewers):
            viewer.tick(now)
            if is_ping_due:
                viewer.say(channel.ping())
        if not channel.viewers and now - channel.left_at > LINGER_S:
            self._leave(channel)

    def _leave(self, channel: Channel) -> None:
        del self._channels[channel.hex_id]
        for errand in (channel.close(), self._subscribe(), self._stop_watching(channel.hex_id)):
            self._soon(errand)

    async def _stop_watching(self, hex_id: str) -> None:
        """Let the sampler go now and not when our wish has run out, so that the sandbox can sleep."""
        with contextlib.suppress(RedisError):
            await self._feed.stop_watching(hex_id)
            await self._feed.knock(hex_id)
