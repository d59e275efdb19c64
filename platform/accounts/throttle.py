"""How long somebody who was slowed down has to wait, and how many tries they have left.

allauth counts the tries (ACCOUNT_RATE_LIMITS, in the cache); this only reads its counters, which allauth does
not offer: a list of the times of the tries, newest first, per limit.
"""

import math
import time
from collections.abc import Iterator
from typing import Any

from allauth.core.internal import ratelimit
from django.core.cache import cache
from django.http import HttpRequest

_APP = "allauth.account"


def wait_s(request: HttpRequest, action: str, *, key: str | None = None) -> int:
    """Whole seconds until `action` is allowed again, at least 1; 0 when no limit is reached."""
    waits = [history[-1] + rate.duration - time.time() for rate, history in _used_up(request, action, key)]
    return max(1, math.ceil(max(waits))) if waits else 0


def tries_left(request: HttpRequest, action: str, *, key: str) -> int:
    """How many more tries the strictest limit of `action` allows."""
    left: list[int] = [rate.amount - len(tries) for rate, tries in _counters(request, action, key)]
    return min(left)


def in_words(seconds: int) -> str:
    """`40 seconds`, `1 minute`, `5 minutes`: rounded up, so that whoever waits that long gets in."""
    if seconds <= 90:
        return f"{seconds} second{'' if seconds == 1 else 's'}"
    return f"{math.ceil(seconds / 60)} minutes"


def _used_up(request: HttpRequest, action: str, key: str | None) -> Iterator[tuple[Any, list[float]]]:
    for rate, history in _counters(request, action, key):
        if history and len(history) >= rate.amount:
            yield rate, history


def _counters(request: HttpRequest, action: str, key: str | None) -> Iterator[tuple[Any, list[float]]]:
    """Each limit of `action` that can be counted here, with the times of the tries that still weigh."""
    for rate in ratelimit.get_rates(app=_APP, action=action):
        if (rate.per == "key" and key is None) or (rate.per == "user" and not request.user.is_authenticated):
            continue
        name = ratelimit.get_cache_key(request, app=_APP, action=action, rate=rate, key=key)
        yield rate, [at for at in cache.get(name, []) if at > time.time() - rate.duration]
