"""The channel layer of the site: Channels' own over Redis, which also takes a word from a thread at once.

Channels can only tell a group something on an event loop. From a worker's thread that is a new loop and a new
connection for every event, from a view it waits until the server's loop has time: with all cores busy, longer
than anybody should wait. Here a thread has a connection that stays open, and only Redis's own silence counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from typing import Any

from channels.layers import get_channel_layer
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unconnected
from redis.retry import Retry

# Of Redis, for one answer.
PATIENCE_S = 0.5
# For one step of leaving a group.
LEAVE_S = 1.0


class SiteLayer(RedisPubSubChannelLayer):  # type: ignore[misc]  # channels_redis has no types
    """hosts: the one Redis; prefix: of its channels there."""

    def __init__(self, hosts: Sequence[str], prefix: str = "asgi", **options: Any) -> None:
        super().__init__(hosts=hosts, prefix=prefix, **options)
        self._channels = prefix
        self._redis = Redis.from_url(
            *hosts,
            socket_timeout=PATIENCE_S,
            socket_connect_timeout=PATIENCE_S,
            # A connection that was kept may have ended meanwhile.
            retry=Retry(NoBackoff(), 1, supported_errors=(Unconnected,)),
        )

    def tell(self, words: Sequence[tuple[str, Mapping[str, Any]]], *, news: Sequence[str] = ()) -> None:
        """Each to its group, in one go; RedisError when they may be lost. For synchronous code.

        news: channels of Redis itself, beside the groups, on which to say that there is something new.
        """
        with self._redis.pipeline(transaction=False) as line:
            for group, word in words:
                # As RedisPubSubLoopLayer names a group.
                line.publish(f"{self._channels}__group__{group}", self.serialize(word))
            for channel in news:
                line.publish(channel, "{}")
            line.execute()

    async def new_channel(self, prefix: str = "specific.") -> str:
        """As Channels' own does, but what Redis would not subscribe to leaves no queue behind."""
        layer = self._get_layer()
        channel = f"{self._channels}{prefix}{uuid.uuid4().hex}"
        try:
            await layer._subscribe_to_channel(channel)  # noqa: SLF001  it makes the name, which we need
        except BaseException:
            layer.channels.pop(channel, None)
            raise
        return channel

    async def end_channel(self, channel: str) -> None:
        """Forget one that nobody will read: Channels' own does so only where a reader is cancelled."""
        layer = self._get_layer()
        layer.channels.pop(channel, None)
        await layer._get_shard(channel).unsubscribe(channel)  # noqa: SLF001  there is no public way


@contextlib.asynccontextmanager
async def member_of(group: str) -> AsyncIterator[str]:
    """A new channel in a group, to be read from; neither is left behind, whatever Redis does meanwhile."""
    layer: Any = get_channel_layer()
    channel = await layer.new_channel()
    try:
        await layer.group_add(group, channel)
        yield channel
    finally:
        await _leave(layer.group_discard(group, channel))
        if isinstance(layer, SiteLayer):  # the one in memory forgets by itself
            await _leave(layer.end_channel(channel))


async def _leave(leaving: Coroutine[Any, Any, None]) -> None:
    """Redis may be away; then what we leave there is gone, too."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(LEAVE_S):
            await leaving
