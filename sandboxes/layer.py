"""The channel layer of the site: Channels' own over Redis, which also takes a word from a thread at once.

Channels can only tell a group something on an event loop. From a worker's thread that is a new loop and a new
connection for every event, from a view it waits until the server's loop has time: with all cores busy, longer
than anybody should wait. Here a thread has a connection that stays open, and only Redis's own silence counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from channels_redis.pubsub import RedisPubSubChannelLayer
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as Unconnected
from redis.retry import Retry

# Of Redis, for one answer.
PATIENCE_S = 0.5


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

    def tell(self, words: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
        """Each to its group, in one go; RedisError when they may be lost. For synchronous code."""
        with self._redis.pipeline(transaction=False) as line:
            for group, word in words:
                # As RedisPubSubLoopLayer names a group.
                line.publish(f"{self._channels}__group__{group}", self.serialize(word))
            line.execute()
