"""Sampling one watched sandbox: its sources, its picture, its stream, its lease."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from redis.exceptions import RedisError
from structlog.contextvars import bind_contextvars

from live.feed import Feed
from live.pacing import Pacer
from live.picture import Picture
from live.sources import ClusterPoll, GroupPoll, group_tail, topic_tail
from live.stopping import stop
from live.stream import Stream
from live.tails import TopicTail
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.brokers import cluster_of
from sandboxes.wire.cluster import Cluster

logger = logging.getLogger(__name__)

# Where a sandbox's Kafka is. While it is nowhere: LookupError, its text a sentence for the student; Gone when
# it will be nowhere for good.
Resolve = Callable[[str], Awaitable[KafkaEndpoint]]

RENEW_S = 3.0
_LOOK_S = 1.0
_RESOLVE_S = 1.0
_RESOLVE_AGAIN_S = 3.0
_FIRST_S = 0.6
_FIRST_SILENT_S = 1.5


class Gone(LookupError):
    """There is no such sandbox any more."""


class Replaced(Exception):
    """Another sampler holds the lease now, or Redis has forgotten ours."""


class Watch:
    """Runs from `run` until the lease, the last watcher or the sandbox is gone. One per sandbox and process.

    is_gone: it ended because there is no such sandbox any more.
    """

    def __init__(self, hex_id: str, feed: Feed, resolve: Resolve) -> None:
        self.hex_id = hex_id
        self._feed = feed
        self._resolve = resolve
        self._token = secrets.token_hex(8)
        self._pacer = Pacer(self._publish)
        self.picture = Picture(self._pacer.touch)
        self.is_gone = False
        self._stream: Stream | None = None
        self._looked = asyncio.Event()
        self._left = asyncio.Event()
        self._has_views = asyncio.Event()
        self._tails: dict[str, tuple[TopicTail, asyncio.Task[None]]] = {}

    def look(self) -> None:
        """The watchers or their topics have changed."""
        self._looked.set()
        self._left.set()

    async def run(self) -> None:
        """Claim, sample, release. Returns at once when another sampler has the sandbox."""
        bind_contextvars(sandbox=self.hex_id)  # this task's own context, and that of all it starts
        try:
            fence = await self._feed.claim(self.hex_id, self._token)
        except RedisError:
            return
        if not fence:
            return
        logger.info("live.watch", extra={"sandbox": self.hex_id, "fence": fence})
        # The random part tells epochs apart when Redis was emptied and counts from one again.
        self._stream = Stream(self.picture, f"{fence}-{self._token[:6]}")
        try:
            await _first_to_end(self._keep_lease(), self._pacer.run(), self._sample())
        except (Replaced, RedisError) as reason:
            logger.info("live.replaced", extra={"sandbox": self.hex_id, "reason": str(reason)})
        except Gone as reason:
            await self._say_gone(str(reason))
        finally:
            with contextlib.suppress(RedisError, TimeoutError):
                await asyncio.shield(self._feed.release(self.hex_id, self._token))
            logger.info("live.unwatch", extra={"sandbox": self.hex_id})

    # -- Lease and watchers --------------------------------------------------------------------------------

    async def _keep_lease(self) -> None:
        """Renew until nobody watches any more. Raises Replaced."""
        while await self._feed.is_watched(self.hex_id):
            self._left.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._left.wait(), RENEW_S)
            assert self._stream is not None
            if not await self._feed.renew(self.hex_id, self._token, self._stream.epoch, self._stream.seq):
                raise Replaced("the lease is another's")

    async def _publish(self) -> None:
        assert self._stream is not None
        output = self._stream.flush()
        if (output.envelopes or output.snap) and not await self._feed.publish(
            self.hex_id, self._token, output
        ):
            raise Replaced("the lease is another's")

    async def _say_gone(self, sentence: str) -> None:
        """A last frame for pages that are still open."""
        self.is_gone = True
        self.picture.broker_is(ok=False, sentence=sentence)
        with contextlib.suppress(Replaced, RedisError):
            await self._publish()

    # -- Kafka ---------------------------------------------------------------------------------------------

    async def _sample(self) -> None:
        """Follow the sandbox's Kafka wherever it is; when it moves or comes back, start over there."""
        while True:
            endpoint = await self._endpoint()
            if endpoint is None:
                self._pacer.open()
                await asyncio.sleep(_RESOLVE_S)
                continue
            cluster = cluster_of(endpoint)
            try:
                await self._follow(cluster, endpoint)
            finally:
                cluster.close()

    async def _endpoint(self) -> KafkaEndpoint | None:
        """None while it is nowhere; raises Gone.

        To ask wakes a sandbox that sleeps, so only for somebody who watches.
        """
        if not await self._feed.is_watched(self.hex_id):
            return None
        try:
            return await self._resolve(self.hex_id)
        except Gone:
            raise
        except LookupError as error:
            self.picture.broker_is(ok=False, sentence=str(error))
        except Exception:
            logger.exception("live.resolve", extra={"sandbox": self.hex_id})
            self.picture.broker_is(
                ok=False, sentence="Your sandbox cannot be found at the moment. We keep trying."
            )
        return None

    async def _follow(self, cluster: Cluster, endpoint: KafkaEndpoint) -> None:
        """Run all sources until the endpoint is another one."""
        poll = ClusterPoll(cluster, self.picture)
        commits = group_tail(cluster, self.picture)
        # Described after the tail has its place: what happens in between is then read, not missed.
        groups = GroupPoll(cluster, self.picture, after=commits.placed)
        try:
            await _first_to_end(
                poll.run(),
                commits.run(),
                groups.run(),
                self._follow_views(cluster),
                self._wake_tails(cluster, commits),
                self._open_when_seen(poll, groups),
                self._until_moved(endpoint),
            )
        finally:
            await stop(task for _, task in self._tails.values())
            self._tails.clear()

    async def _open_when_seen(self, poll: ClusterPoll, groups: GroupPoll) -> None:
        """Give the sources a moment, so that the first snapshot is a whole picture; then never end."""
        await self._first_look(poll, groups)
        self._pacer.open()
        await asyncio.Event().wait()

    async def _first_look(self, poll: ClusterPoll, groups: GroupPoll) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_SILENT_S):
                await poll.answered.wait()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_FIRST_S):
                if not self.picture.broker.ok:
                    return
                await groups.answered.wait()
                await self._has_views.wait()
                for tail, _ in list(self._tails.values()):
                    await tail.ready.wait()

    async def _follow_views(self, cluster: Cluster) -> None:
        """Tail what somebody views, and stop tailing what nobody does."""
        while True:
            self._looked.clear()
            try:
                self._set_views(cluster, await self._feed.views(self.hex_id))
            except RedisError as error:
                raise Replaced("Redis is away") from error
            self._has_views.set()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._looked.wait(), _LOOK_S)

    def _set_views(self, cluster: Cluster, wanted: list[str]) -> None:
        for name in self._tails.keys() - set(wanted):
            self._tails.pop(name)[1].cancel()
            self.picture.unview(name)
        for name in wanted:
            if name not in self._tails:
                tail = topic_tail(cluster, self.picture, name)
                self._tails[name] = (tail, asyncio.create_task(tail.run()))

    async def _wake_tails(self, cluster: Cluster, commits: TopicTail) -> None:
        """Leaders or topics have moved: let every tail look again."""
        while True:
            await cluster.changed.wait()
            cluster.changed.clear()
            for tail in (commits, *(tail for tail, _ in self._tails.values())):
                tail.look()

    async def _until_moved(self, endpoint: KafkaEndpoint) -> None:
        """Return when a silent sandbox turns out to be somewhere else, or nowhere."""
        while True:
            await asyncio.sleep(_RESOLVE_AGAIN_S)
            is_silent = (
                not self.picture.broker.ok
                and time.time() - self.picture.broker.since / 1000 > _RESOLVE_AGAIN_S
            )
            if is_silent and await self._endpoint() != endpoint:
                return


async def _first_to_end(*runs: Coroutine[Any, Any, None]) -> None:
    """Run all until one ends; cancel the others; raise what that one raised."""
    tasks = [asyncio.create_task(run) for run in runs]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        await stop(tasks)
