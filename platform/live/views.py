"""The same frames without a websocket: as an event stream, or asked for again and again.

Each view checks who asks, in its thread; what waits for frames is left to the web process's loop, as the
answer's stream, so that no thread is held by a page that stays open. What the browser says about a stream
comes by POST, to whichever web process, and is passed on by Redis.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from uuid import UUID

import orjson
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.views.decorators.http import require_GET, require_POST

from accounts.sockets import FORBIDDEN, INBOUND_BYTES, NO_SUCH, SIGNED_OUT
from live import ops, streams
from live.access import Answer, Asker, judge
from sandboxes import limits
from sandboxes.access import address_of
from sandboxes.errors import TooOften

_STATUS = {SIGNED_OUT: 401, FORBIDDEN: 403, NO_SUCH: 404}
# Compressing would hold frames back until there is a block of them; so would a proxy that is not told.
_AT_ONCE = {
    "Content-Encoding": "identity",
    "Cache-Control": "no-cache, no-transform",
    "X-Accel-Buffering": "no",
}


@require_GET
def events(request: HttpRequest, sandbox_id: UUID) -> HttpResponseBase:
    """Frames as they come, until somebody leaves. ?view=topic&...&epoch=&seq=, or Last-Event-ID."""
    asker, answer, refused = _ask(request, sandbox_id)
    hello = _hello(request)
    if refused or hello is None:
        return refused or HttpResponse(status=400)
    stream = streams.events(asker, answer.user_id, hello)
    return _streamed(stream, "text/event-stream", _AT_ONCE)


@require_GET
def poll(request: HttpRequest, sandbox_id: UUID) -> HttpResponseBase:
    """The frames since a place, or a snapshot: a line each. As above, and told=time of the last answer.

    Whoever asks without a pause is told how long to wait, and our pages do.
    """
    asker, answer, refused = _ask(request, sandbox_id)
    hello = _hello(request)
    if refused or hello is None:
        return refused or HttpResponse(status=400)
    try:
        told = ops.whole(request.GET.get("told", "0"))
        limits.spend(limits.POLL, answer.user_id, address=address_of(request))
    except ops.BadOp:
        return HttpResponse(status=400)
    except TooOften as often:
        headers = {"Retry-After": str(often.retry_after_s)}
        return HttpResponse(f"{often.sentence}\n", content_type="text/plain", status=429, headers=headers)
    stream = streams.once(asker.sandbox_id.hex, hello, told=told)
    return _streamed(stream, "application/x-ndjson", {"Cache-Control": "no-store"})


@require_POST
def op(request: HttpRequest, sandbox_id: UUID) -> HttpResponseBase:
    """What the browser says about one of its streams: {"stream": its name, "op": as on the websocket}."""
    asker, _, refused = _ask(request, sandbox_id)
    if refused:
        return refused
    try:
        asked = orjson.loads(request.body[: INBOUND_BYTES + 1])
        name, text = asked["stream"], orjson.dumps(asked["op"]).decode()
        ops.parse(text)
    except (ops.BadOp, orjson.JSONDecodeError, KeyError, TypeError):
        return HttpResponse(status=400)
    return _streamed(streams.passing_on(asker, str(name), text), "text/plain", {}, status=202)


def _ask(request: HttpRequest, sandbox_id: UUID) -> tuple[Asker, Answer, HttpResponse | None]:
    """Who asks, what they are told, and the refusal if it is one."""
    asker = Asker(session_key=request.session.session_key or "", sandbox_id=sandbox_id)
    answer = judge([asker])[asker]
    return asker, answer, HttpResponse(status=_STATUS[answer.code]) if answer.code else None


def _hello(request: HttpRequest) -> ops.Hello | None:
    """What a websocket would say first, from the address; None when it makes no sense."""
    epoch, seq = request.GET.get("epoch", ""), request.GET.get("seq", "")
    last = request.headers.get("Last-Event-ID", "")
    if last:  # a browser that opens its stream again by itself: newer than the address
        epoch, _, seq = last.rpartition(":")
    try:
        return ops.hello(request.GET.getlist("view"), epoch, seq)
    except ops.BadOp:
        return None


def _streamed(
    stream: AsyncIterator[bytes], kind: str, headers: Mapping[str, str], status: int = 200
) -> StreamingHttpResponse:
    return StreamingHttpResponse(stream, content_type=kind, status=status, headers=dict(headers))
