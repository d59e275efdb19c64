"""A bench's part that runs inside an installation, with its settings and its database.

    python -m tests.bench.inside COOKIE PATH BURN_MS QUERIES      CPU and queries of one page, as JSON

BURN_MS and QUERIES are put on top of every request for PATH, to prove the meter.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median
from typing import Any

_WARM = 20
_REQUESTS = 40
_ROUNDS = 5
_EMPTY = "/bench/empty/"

Get = Callable[[str], Awaitable[int]]


def _application(path: str, burn_ms: float, queries: int) -> Any:
    """The site as uvicorn calls it, with an empty view besides, and more work in the way of one page."""
    from config.asgi import application  # sets Django up

    from django.http import HttpRequest, HttpResponse  # isort: skip
    from django.urls import path as route  # isort: skip
    import config.urls  # isort: skip

    def more(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
        def answer(request: HttpRequest) -> HttpResponse:
            if request.path == path:
                _burn(burn_ms / 1000, queries)
            return get_response(request)

        return answer

    config.urls.urlpatterns.insert(0, route(_EMPTY[1:], lambda request: HttpResponse("")))
    http: Any = application.application_mapping["http"]
    if burn_ms or queries:
        handler = http.application
        handler._middleware_chain = more(handler._middleware_chain)
    return http


def _burn(seconds: float, queries: int) -> None:
    from django.db import connection

    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass
    for _ in range(queries):
        connection.cursor().execute("select 1")


async def _measure(cookie: str, path: str, burn_ms: float, queries: int) -> dict[str, float]:
    http = _application(path, burn_ms, queries)
    headers = {"host": "127.0.0.1", "cookie": cookie, "accept-encoding": "gzip, deflate, br"}
    scope = {
        "type": "http", "method": "GET", "query_string": b"", "scheme": "http", "http_version": "1.1",
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "root_path": "",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def get(wanted: str) -> int:
        """Bytes of the answer."""
        size = 0

        async def send(event: dict[str, Any]) -> None:
            nonlocal size
            size += len(event.get("body", b""))
            assert event.get("status", 200) == 200, event

        await http({**scope, "path": wanted}, receive, send)
        return size

    return await _figures(get, path)


async def _figures(get: Get, path: str) -> dict[str, float]:
    await _cpu_ms(get, path, _WARM)
    await _cpu_ms(get, _EMPTY, _WARM)
    found = [
        (await _cpu_ms(get, path, _REQUESTS), await _cpu_ms(get, _EMPTY, _REQUESTS)) for _ in range(_ROUNDS)
    ]
    return {
        "cpu_ms": median(mine for mine, _ in found),
        "worst_ms": max(mine for mine, _ in found),
        "empty_ms": median(theirs for _, theirs in found),
        "queries": await _queries(get, path),
        "sent_bytes": await get(path),
    }


async def _queries(get: Get, path: str) -> int:
    """How often the page's thread asks the database."""
    from django.db.backends.utils import CursorWrapper

    asked: list[object] = []
    execute = CursorWrapper.execute

    def counted(self: CursorWrapper, sql: Any, params: Any = None) -> Any:
        asked.append(sql)
        return execute(self, sql, params)

    CursorWrapper.execute = counted  # type: ignore[method-assign]
    try:
        await get(path)
    finally:
        CursorWrapper.execute = execute  # type: ignore[method-assign]
    return len(asked)


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
    import uvloop

    cookie, path, burn_ms, queries = sys.argv[1:5]
    print(json.dumps(uvloop.run(_measure(cookie, path, float(burn_ms), int(queries)))))


if __name__ == "__main__":
    main()
