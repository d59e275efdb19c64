"""What a log line belongs to: an id for each request and socket, carried on to the tasks that follow from it.

The id comes from the X-Request-ID header when a proxy has given one that is safe to print, else it is made
here. It goes back in the same header, stands on error pages as their reference and in every line that is
written meanwhile; `config.celery` puts it into a task's headers and binds it again in the worker.
"""

import logging
import re
import secrets
import time
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any

from django.db.backends.signals import connection_created
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from structlog.contextvars import bind_contextvars, get_contextvars, reset_contextvars

from config import metrics

logger = logging.getLogger("config.access")

HEADER = "X-Request-ID"
_WELL_FORMED = re.compile(r"[A-Za-z0-9._-]{8,64}")
# Asked every few seconds by machines: their lines would bury those about people.
_QUIET = frozenset({"healthz/", "readyz/", "metrics"})

_queries: ContextVar[list[int] | None] = ContextVar("queries", default=None)


def new_id() -> str:
    """Sixteen hex digits: enough to be found by, short enough to be read out."""
    return secrets.token_hex(8)


def accepted(given: str | None) -> str:
    """The id that came with a request, when it is bounded and made of harmless characters, else a new one."""
    return given if given and _WELL_FORMED.fullmatch(given) else new_id()


def current() -> str:
    """The id of what is being done; a new one when nothing bound one."""
    bound: str = get_contextvars().get("request") or new_id()
    return bound


def traced(
    get_response: Callable[[HttpRequest], HttpResponseBase],
) -> Callable[[HttpRequest], HttpResponseBase]:
    """The outermost middleware: id, one line and two figures per request."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        request_id, counted, began = accepted(request.headers.get(HEADER)), [0], time.perf_counter()
        counting = _queries.set(counted)
        bound = bind_contextvars(request=request_id, user=partial(_user_so_far, request))
        try:
            response = get_response(request)
            response.headers[HEADER] = request_id
            _note(request, response.status_code, time.perf_counter() - began, counted[0])
            return response
        finally:
            reset_contextvars(**bound)
            _queries.reset(counting)

    return answer


def _user_so_far(request: HttpRequest) -> int | None:
    """Who asks, if the page has found out by now; a log line is no reason for a query."""
    user = request.__dict__.get("_cached_user")
    return user.pk if user is not None else None


def route_of(request: HttpRequest) -> str:
    """What to write of an address: the route, since paths hold names, ids and the keys of password mails."""
    match = request.resolver_match
    return str(match.route) or "/" if match else "(none)"


def _note(request: HttpRequest, status: int, took_s: float, queries: int) -> None:
    route = route_of(request)
    metrics.answered(request.method or "", route, status, took_s)
    level = logging.DEBUG if route in _QUIET and status < 500 else logging.INFO
    if logger.isEnabledFor(level):
        fields = {"method": request.method, "route": route, "status": status, "ms": round(took_s * 1000, 1)}
        logger.log(level, "http.request", extra={**fields, "queries": queries})


class TracedSocket:
    """ASGI wrapper for websockets: an id for all that is logged meanwhile, and one line at the end."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        given = dict(scope.get("headers", [])).get(HEADER.lower().encode(), b"")
        # Each connection has a context of its own, so nothing is to be taken back.
        bind_contextvars(request=accepted(given.decode("latin-1")))
        began = time.monotonic()
        try:
            return await self.application(scope, receive, send)
        finally:
            lasted = round(time.monotonic() - began, 1)
            logger.info("socket.closed", extra={"path": scope.get("path", "")[:120], "lasted_s": lasted})


def _count(execute: Callable[..., Any], *asked: Any) -> Any:
    counted = _queries.get()
    if counted is not None:
        counted[0] += 1
    return execute(*asked)


def _count_its_queries(connection: Any, **signal: Any) -> None:
    if _count not in connection.execute_wrappers:
        connection.execute_wrappers.append(_count)


def count_queries() -> None:
    """Have every database connection, once it is made, count for the request that uses it."""
    connection_created.connect(_count_its_queries, dispatch_uid="config.tracing")
