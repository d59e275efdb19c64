"""HTTP through Django in one step to a thread: middleware and view run there together, one after the other.

Django's own ASGI handler makes a thread and a database connection for each request, and goes between loop and
thread twice for each middleware: most of what a short page costs. Here threads and connections are kept.
Answers that stream do so on the loop, as with Django.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextvars import copy_context
from io import BytesIO
from typing import Any, TypeVar, cast

from asgiref.sync import SyncToAsync
from django.conf import settings
from django.core import signals
from django.core.exceptions import RequestAborted, RequestDataTooBig
from django.core.handlers.asgi import ASGIHandler, ASGIRequest, get_script_prefix
from django.core.handlers.base import BaseHandler
from django.http import FileResponse, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

Result = TypeVar("Result")

# A view may wait for a broker for some seconds; so many may do so before the next request waits for them.
THREADS = 32


class SiteHandler(ASGIHandler):
    """Django as an ASGI application, its middleware as synchronous as its views."""

    def __init__(self) -> None:
        BaseHandler.__init__(self)
        self.load_middleware(is_async=False)
        self._threads: Executor | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        try:
            body = await _body(receive)
        except RequestAborted:
            return
        except RequestDataTooBig:
            await self.send_response(_too_large(), send)
            return
        try:
            response = await self._in_thread(self._answer, scope, body)
            if response.streaming:
                await self._stream(response, receive, send)
            else:
                await self.send_response(response, send)
        finally:
            body.close()

    async def _in_thread(self, work: Callable[..., Result], *given: Any) -> Result:
        """As asgiref's sync_to_async, which costs twice as much for what else it can do."""
        loop = asyncio.get_running_loop()
        self._threads = self._threads or _threads_of(loop)
        return await loop.run_in_executor(self._threads, copy_context().run, work, *given)

    def _answer(self, scope: Any, body: BytesIO) -> HttpResponseBase:
        """In a thread of ours: the whole way of one request, ready to be sent."""
        set_script_prefix(get_script_prefix(scope))
        signals.request_started.send(sender=self.__class__, scope=scope)
        request, refused = self.create_request(scope, body)
        response = self._get(request) if request is not None else cast(HttpResponseBase, refused)
        if not response.streaming:
            # Closing ends the request: the connection that this thread used is looked after here.
            response.close()
        return response

    def _get(self, request: ASGIRequest) -> HttpResponseBase:
        response: HttpResponseBase = self.get_response(request)
        if isinstance(response, FileResponse):
            response.block_size = self.chunk_size
        return response

    async def _stream(self, response: HttpResponseBase, receive: Any, send: Any) -> None:
        """Send until all is sent or the reader is gone."""
        sending = asyncio.create_task(self.send_response(response, send))
        leaving = asyncio.create_task(self.listen_for_disconnect(receive))
        try:
            await asyncio.wait((sending, leaving), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sending.cancel()
            leaving.cancel()
            sent, _ = await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._in_thread(response.close)
        if isinstance(sent, Exception):
            raise sent


async def _body(receive: Any) -> BytesIO:
    """What came with a request. Raises RequestAborted; RequestDataTooBig for more than a page of ours sends.

    Django's own bound is for the length that it is told, so a body in chunks (RFC 9112, 7.1) would have none.
    """
    body = BytesIO()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise RequestAborted
        body.write(event.get("body", b""))
        if body.tell() > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            raise RequestDataTooBig
        if not event.get("more_body"):
            body.seek(0)
            return body


def _threads_of(loop: asyncio.AbstractEventLoop) -> Executor:
    """Threads in which async_to_sync finds the server's loop, as in those of sync_to_async."""

    def belong() -> None:
        SyncToAsync.threadlocal.main_event_loop = loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()

    return ThreadPoolExecutor(THREADS, thread_name_prefix="request", initializer=belong)


def _too_large() -> HttpResponse:
    """Its rest is not waited for."""
    sentence = "That is more than any page here sends.\n"
    return HttpResponse(sentence, content_type="text/plain", status=413, headers={"Connection": "close"})
