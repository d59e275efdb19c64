"""HTTP through the site's own handler: kept threads and connections, bodies, streams, readers who leave."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from django.core import signals
from django.db import connection
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from config import urls
from config.handler import SiteHandler
from config.settings import _database

Event = dict[str, Any]

seen: list[Any] = []
left = threading.Event()


def who(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{threading.current_thread().name} {id(connection.connection)}")


def ask(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        cursor.execute("select 1")
    return who(request)


def slow(request: HttpRequest) -> HttpResponse:
    time.sleep(0.3)
    return HttpResponse("slow")


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


async def asynchronous(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"{asyncio.get_running_loop() is seen[0]}")


async def drops() -> AsyncIterator[bytes]:
    try:
        while True:
            yield b"drop"
            await asyncio.sleep(0.01)
    finally:
        left.set()


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(drops(), headers={"Content-Encoding": "identity"})


def short(request: HttpRequest) -> StreamingHttpResponse:
    async def three() -> AsyncIterator[bytes]:
        for part in (b"a", b"b", b"c"):
            yield part

    return StreamingHttpResponse(three(), headers={"Content-Encoding": "identity"})


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


_VIEWS = (who, ask, slow, echo, asynchronous, stream, short, broken)
urlpatterns = [*(path(f"{view.__name__}/", view) for view in _VIEWS), *urls.urlpatterns]
handler500 = urls.handler500


@pytest.fixture(autouse=True)
def _these_addresses(settings: Any) -> None:
    settings.ROOT_URLCONF = __name__
    seen.clear()
    left.clear()


def scope(address: str, method: str = "GET") -> Event:
    return {
        "type": "http", "method": method, "path": address, "query_string": b"", "root_path": "",
        "headers": [(b"host", b"localhost")], "http_version": "1.1", "scheme": "http",
        "server": ("localhost", 80), "client": ("127.0.0.1", 5),
    }  # fmt: skip


class Reader:
    """A client: what it sends, and what it got; it leaves when `enough` says so."""

    def __init__(self, *body: bytes, enough: Callable[["Reader"], bool] = lambda _: False) -> None:
        parts = body or (b"",)
        self._events: list[Event] = [
            {"type": "http.request", "body": part, "more_body": n < len(parts)}
            for n, part in enumerate(parts, start=1)
        ]
        self._enough = enough
        self._gone = asyncio.Event()
        self.status = 0
        self.body = b""

    async def receive(self) -> Event:
        if self._events:
            return self._events.pop(0)
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, event: Event) -> None:
        self.status = event.get("status", self.status)
        self.body += event.get("body", b"")
        if self._enough(self):
            self._gone.set()


async def get(handler: SiteHandler, address: str, *body: bytes, **more: Any) -> Reader:
    reader = Reader(*body, **more)
    await handler(scope(address, "POST" if body else "GET"), reader.receive, reader.send)
    return reader


def run(work: Callable[[SiteHandler], Any]) -> Any:
    async def main() -> Any:
        seen.append(asyncio.get_running_loop())
        return await work(SiteHandler())

    return asyncio.run(main())


@pytest.mark.django_db(transaction=True)
def test_one_request_after_the_other_keeps_its_thread_and_its_connection() -> None:
    async def work(handler: SiteHandler) -> list[str]:
        return [(await get(handler, "/ask/")).body.decode() for _ in range(5)]

    answers = run(work)

    assert len(set(answers)) <= 2  # a thread may still be on its way back when the next request comes
    assert "None" not in answers[0]


def test_requests_at_once_do_not_wait_for_each_other() -> None:
    async def work(handler: SiteHandler) -> list[Reader]:
        return list(await asyncio.gather(*(get(handler, "/slow/") for _ in range(8))))

    began = time.monotonic()
    answers = run(work)

    assert [reader.body for reader in answers] == [b"slow"] * 8
    assert time.monotonic() - began < 8 * 0.3


@pytest.mark.parametrize("body", [(b"whole",), (b"in ", b"three ", b"parts"), (b"x" * 2_000_000, b"y")])
def test_a_body_arrives_as_it_was_sent(body: tuple[bytes, ...]) -> None:
    assert run(lambda handler: get(handler, "/echo/", *body)).body == b"".join(body)


@pytest.mark.parametrize("parts", [1, 40])
def test_a_body_larger_than_any_page_sends_is_refused_before_anything_is_done(
    parts: int, told: list[str], settings: Any
) -> None:
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body = [b"x" * (most // parts)] * parts

    refused = run(lambda handler: get(handler, "/echo/", *body, b"x" * parts))

    assert (refused.status, b"more than any page" in refused.body) == (413, True)
    assert told == []
    assert run(lambda handler: get(handler, "/echo/", *body)).status == 200


def test_a_reader_who_leaves_before_the_body_is_there_starts_nothing() -> None:
    async def work(handler: SiteHandler) -> Reader:
        reader = Reader()
        reader._events = [
            {"type": "http.request", "body": b"half", "more_body": True},
            {"type": "http.disconnect"},
        ]
        await handler(scope("/echo/", "POST"), reader.receive, reader.send)
        return reader

    assert run(work).status == 0


def test_an_asynchronous_view_runs_on_the_servers_own_loop() -> None:
    assert run(lambda handler: get(handler, "/asynchronous/")).body == b"True"


def test_a_stream_is_sent_to_its_end() -> None:
    assert run(lambda handler: get(handler, "/short/")).body == b"abc"


def test_a_stream_ends_when_its_reader_leaves() -> None:
    reader = run(lambda handler: get(handler, "/stream/", enough=lambda reader: len(reader.body) >= 12))

    assert reader.body.startswith(b"dropdropdrop")
    assert left.is_set()


@pytest.fixture
def told() -> Iterator[list[str]]:
    """How requests begin and end, as Django's signals tell it."""
    told: list[str] = []

    def began(**_: object) -> None:
        told.append("began")

    def ended(**_: object) -> None:
        told.append("ended")

    signals.request_started.connect(began)
    signals.request_finished.connect(ended)
    yield told
    signals.request_started.disconnect(began)
    signals.request_finished.disconnect(ended)


@pytest.mark.parametrize("address", ["/who/", "/short/"])
def test_every_request_that_begins_also_ends(address: str, told: list[str]) -> None:
    run(lambda handler: get(handler, address))

    assert told == ["began", "ended"]


@pytest.mark.logs("page.failed")
def test_a_view_that_breaks_is_answered_and_its_request_ends(told: list[str]) -> None:
    assert run(lambda handler: get(handler, "/broken/")).status == 500
    assert told == ["began", "ended"]


def test_only_a_connection_that_may_have_broken_is_tried_before_it_is_used_again() -> None:
    assert _database("sqlite:///site.sqlite3")["CONN_HEALTH_CHECKS"] is False
    assert _database("postgres://site@db/site")["CONN_HEALTH_CHECKS"] is True
