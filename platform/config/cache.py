"""The cache: Redis, and this process's own memory while Redis is away.

What it holds is counts of tries. Without Redis they are counted per process, which is less exact, but nobody
is kept from signing in or working because a helper is being restarted.
"""

import logging
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis import Redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# After a failure Redis is left alone for this long, so that only one request pays for finding out.
SILENCE_S = 3.0


class MemoryCache(LocMemCache):
    """What a process holds by itself."""

    def count(self, uses: Sequence[tuple[str, int]]) -> list[int]:
        """How often each key was counted, this time included; it is kept for so many seconds after its first.

        A key may come more than once.
        """
        return [1 if self.add(key, 1, timeout=kept_s) else self.incr(key) for key, kept_s in uses]


@cache
def _client_of(server: str) -> RedisCacheClient:
    """One per process. Django makes a cache for each request, which would open a connection of its own."""
    return RedisCacheClient([server])


@cache
def _redis_of(server: str) -> Redis:
    """Django makes one for each thing it asks, which costs more than the asking."""
    redis: Redis = _client_of(server).get_client(write=True)
    return redis


class SteadyCache(RedisCache):
    """Redis for everybody; falls back to memory and comes back by itself."""

    _silent_until = 0.0  # of this process, whichever thread found out

    def __init__(self, server: str, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._server = server
        self._memory = MemoryCache(f"steady-{server}", params)

    def count(self, uses: Sequence[tuple[str, int]]) -> list[int]:
        """As `MemoryCache.count`, in one round trip for all."""
        return self._steadily(self._count, self._memory.count, (uses,), {})  # type: ignore[no-any-return]

    def add(self, *args: Any, **kwargs: Any) -> Any:
        return self._steadily(super().add, self._memory.add, args, kwargs)

    def get(self, *args: Any, **kwargs: Any) -> Any:
        return self._steadily(super().get, self._memory.get, args, kwargs)

    def set(self, *args: Any, **kwargs: Any) -> Any:
        return self._steadily(super().set, self._memory.set, args, kwargs)

    def incr(self, *args: Any, **kwargs: Any) -> Any:
        return self._steadily(super().incr, self._memory.incr, args, kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        return self._steadily(super().delete, self._memory.delete, args, kwargs)

    @property
    def _cache(self) -> RedisCacheClient:
        return _client_of(self._server)

    def _count(self, uses: Sequence[tuple[str, int]]) -> list[int]:
        with _redis_of(self._server).pipeline(transaction=False) as line:
            for key, kept_s in uses:
                name = self.make_and_validate_key(key)
                line.set(name, 0, ex=kept_s, nx=True)
                line.incr(name)
            return line.execute()[1::2]

    def _steadily(self, ask: Callable[..., Any], remember: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        if time.monotonic() >= SteadyCache._silent_until:
            try:
                return ask(*args, **kwargs)
            except RedisError as error:
                SteadyCache._silent_until = time.monotonic() + SILENCE_S
                logger.warning("cache.away", extra={"error": type(error).__name__})
        return remember(*args, **kwargs)
