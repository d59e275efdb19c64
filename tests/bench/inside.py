"""A bench's part that runs inside an installation, with its settings and its database.

    python -m tests.bench.inside pages COOKIE PATH BURN_MS QUERIES      CPU and queries of one page, as JSON

BURN_MS and QUERIES are put on top of every request, to prove the meter.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

from asgiref.sync import sync_to_async

_WARM = 10
_REQUESTS = 80

Get = Callable[[str], Awaitable[int]]


async def _pages(cookie: str, path: str, burn_ms: float, queries: int) -> dict[str, float]:
    """As the web process serves it: the middleware on the loop, the view in a thread."""
    from django.core.handlers.base import BaseHandler
    from django.db import connection
    from django.test import RequestFactory
    from django.test.utils import CaptureQueriesContext

    handler, factory = BaseHandler(), RequestFactory()
    handler.load_middleware(is_async=True)

    def more() -> None:
        _burn(burn_ms / 1000)
        for _ in range(queries):
            connection.cursor().execute("select 1")

    async def get(wanted: str) -> int:
        if burn_ms or queries:
            await sync_to_async(more)()
        request = factory.get(wanted, HTTP_HOST="127.0.0.1", HTTP_COOKIE=cookie)
        answer: Any = await handler.get_response_async(request)
        assert answer.status_code == 200, answer.status_code
        return len(answer.content)

    def captured() -> CaptureQueriesContext:
        return CaptureQueriesContext(connection)

    peer = "/healthz/"
    await _cpu_ms(get, path, _WARM)
    found = [
        (await _cpu_ms(get, path, _REQUESTS // 4), await _cpu_ms(get, peer, _REQUESTS // 4)) for _ in range(4)
    ]
    asked = await sync_to_async(captured)()
    await sync_to_async(asked.__enter__)()
    size = await get(path)
    await sync_to_async(asked.__exit__)(None, None, None)
    count = await sync_to_async(len)(asked)
    return {
        "cpu_ms": median(mine for mine, _ in found),
        "worst_ms": max(mine for mine, _ in found),
        "peer_ms": median(theirs for _, theirs in found),
        "queries": count,
        "html_bytes": size,
    }


def _burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


async def _cpu_ms(get: Get, path: str, times: int) -> float:
    """CPU of the whole process for one request, the median of some."""
    taken = []
    for _ in range(times):
        began = time.process_time_ns()
        await get(path)
        taken.append((time.process_time_ns() - began) / 1e6)
    return median(taken)


def main() -> None:
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    cookie, path, burn_ms, queries = sys.argv[2:6]
    print(json.dumps(asyncio.run(_pages(cookie, path, float(burn_ms), int(queries)))))


if __name__ == "__main__":
    main()
