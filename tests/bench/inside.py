"""A bench's part that runs inside an installation, with its settings and its database.

    python -m tests.bench.inside pages COOKIE PATH BURN_MS QUERIES      CPU and queries of one page, as JSON

BURN_MS and QUERIES are put on top of every request, to prove the meter.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

_WARM = 30
_REQUESTS = 200

Get = Callable[[str], int]


def _pages(cookie: str, path: str, burn_ms: float, queries: int) -> dict[str, float]:
    from django.core.handlers.base import BaseHandler
    from django.db import connection
    from django.test import RequestFactory
    from django.test.utils import CaptureQueriesContext

    handler, factory = BaseHandler(), RequestFactory()
    handler.load_middleware()

    def get(wanted: str) -> int:
        _burn(burn_ms / 1000)
        for _ in range(queries):
            connection.cursor().execute("select 1")
        answer: Any = handler.get_response(factory.get(wanted, HTTP_HOST="127.0.0.1", HTTP_COOKIE=cookie))
        assert answer.status_code == 200, answer.status_code
        return len(answer.content)

    with CaptureQueriesContext(connection):
        get(path)
    peer = "/healthz/"
    _cpu_ms(get, path, _WARM)
    found = [(_cpu_ms(get, path, _REQUESTS // 4), _cpu_ms(get, peer, _REQUESTS // 4)) for _ in range(4)]
    with CaptureQueriesContext(connection) as captured:
        size = get(path)
    return {
        "cpu_ms": median(mine for mine, _ in found),
        "worst_ms": max(mine for mine, _ in found),
        "peer_ms": median(theirs for _, theirs in found),
        "queries": len(captured),
        "html_bytes": size,
    }


def _burn(seconds: float) -> None:
    until = time.thread_time() + seconds
    while time.thread_time() < until:
        pass


def _cpu_ms(get: Get, path: str, times: int) -> float:
    """CPU of this thread for one request, the median of some."""
    taken = []
    for _ in range(times):
        began = time.thread_time_ns()
        get(path)
        taken.append((time.thread_time_ns() - began) / 1e6)
    return median(taken)


def main() -> None:
    sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    import django

    django.setup()
    cookie, path, burn_ms, queries = sys.argv[2:6]
    print(json.dumps(_pages(cookie, path, float(burn_ms), int(queries))))


if __name__ == "__main__":
    main()
