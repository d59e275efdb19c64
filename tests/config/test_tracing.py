"""The id of a request: where it comes from, where it goes, and what its one line says."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from celery import shared_task
from channels.testing import WebsocketCommunicator
from django.test import Client
from structlog.contextvars import bound_contextvars, get_contextvars

from config import logging as log_lines
from config import tracing
from config.celery import app
from tests import make

seen: list[str] = []


@shared_task(name="tests.config.see", ignore_result=True)
def see() -> None:
    seen.append(get_contextvars().get("request", ""))


class Lines:
    """What is written to the log meanwhile, as machines read it."""

    def __init__(self) -> None:
        self._out = io.StringIO()
        self.handler = logging.StreamHandler(self._out)
        self.handler.setFormatter(log_lines.formatter("json"))

    def of(self, event: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self._out.getvalue().splitlines()]
        return [line for line in lines if line["event"] == event]


@pytest.fixture
def lines() -> Iterator[Lines]:
    lines = Lines()
    logging.getLogger().addHandler(lines.handler)
    yield lines
    logging.getLogger().removeHandler(lines.handler)


def answered(client: Client, path: str, **headers: str) -> str:
    return str(client.get(path, headers=headers).headers["X-Request-ID"])


def test_a_well_formed_id_is_kept_from_the_proxy_to_the_answer(client: Client, lines: Lines) -> None:
    assert answered(client, "/healthz/", **{"X-Request-ID": "edge-7f.3_a"}) == "edge-7f.3_a"


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "a b c d e f", 'x"};alert(1)//', "ä" * 10, "abcdefg\nh"]
)
def test_an_id_that_is_not_safe_to_print_is_replaced(client: Client, given: str) -> None:
    made = tracing.accepted(given)

    assert made != given
    assert len(made) == 16
    assert int(made, 16) >= 0


def test_every_request_gets_an_id_of_its_own(client: Client) -> None:
    assert len({answered(client, "/healthz/") for _ in range(20)}) == 20


def test_the_id_of_one_request_is_forgotten_after_it(client: Client) -> None:
    answered(client, "/healthz/")

    assert "request" not in get_contextvars()


@pytest.mark.django_db
def test_one_line_says_how_a_request_was_answered(client: Client, lines: Lines) -> None:
    client.get("/accounts/login/?next=/secret-place/", headers={"X-Request-ID": "edge-0001"})

    (line,) = lines.of("http.request")
    assert (line["method"], line["route"], line["status"]) == ("GET", "accounts/login/", 200)
    assert line["request"] == "edge-0001"
    assert line["ms"] > 0
    assert "secret-place" not in json.dumps(line)


@pytest.mark.django_db
def test_the_key_of_a_password_mail_is_not_in_the_line(client: Client, lines: Lines) -> None:
    client.get("/accounts/password/reset/key/7-canary-key/")

    (line,) = lines.of("http.request")
    assert "canary" not in json.dumps(line)


@pytest.mark.django_db
def test_a_page_that_is_not_there_has_no_route(client: Client, lines: Lines) -> None:
    client.get("/who-knows/")

    (line,) = lines.of("http.request")
    assert (line["route"], line["status"]) == ("(none)", 404)


@pytest.mark.django_db
def test_the_line_names_the_user_by_number_and_counts_the_queries(client: Client, lines: Lines) -> None:
    ada = make.student("ada-canary")
    client.force_login(ada)

    client.get("/sandbox/why/")

    (line,) = lines.of("http.request")
    assert line["user"] == ada.pk
    assert line["queries"] > 0
    assert "canary" not in json.dumps(line)


@pytest.mark.django_db
def test_finding_out_the_user_costs_no_query(
    client: Client, lines: Lines, django_assert_num_queries: Any
) -> None:
    client.force_login(make.student())

    with django_assert_num_queries(0):
        client.get("/healthz/")


def test_what_machines_ask_every_few_seconds_fills_no_log(client: Client, lines: Lines) -> None:
    client.get("/healthz/")

    assert lines.of("http.request") == []


def test_a_task_is_sent_with_the_id_of_what_it_follows_from() -> None:
    headers: dict[str, Any] = {}
    with bound_contextvars(request="edge-0001"):
        app.signature("tests.config.see").apply_async(headers=headers, queue="traced")
        with app.connection_for_read() as connection:
            message = connection.SimpleQueue("traced").get(timeout=5)

    assert message.headers["millrace_request"] == "edge-0001"
    message.ack()


def test_a_worker_binds_the_id_while_it_works_and_no_longer() -> None:
    seen.clear()
    see.apply(headers={"millrace_request": "edge-0001"})

    assert seen == ["edge-0001"]
    assert "request" not in get_contextvars()


def test_what_beat_begins_has_an_id_too() -> None:
    seen.clear()
    see.apply()
    see.apply()

    assert len(set(seen)) == 2
    assert all(len(one) == 16 for one in seen)


async def test_a_socket_has_an_id_and_one_line_when_it_closes(lines: Lines) -> None:
    async def closes(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        logging.getLogger("live").info("socket.inside")
        await send({"type": "websocket.close"})

    headers = [(b"x-request-id", b"edge-0001")]
    socket = WebsocketCommunicator(tracing.TracedSocket(closes), "/ws/live/x/?token=canary", headers=headers)
    await socket.connect()
    await socket.wait()

    (inside,), (closed,) = lines.of("socket.inside"), lines.of("socket.closed")
    assert inside["request"] == closed["request"] == "edge-0001"
    assert closed["path"] == "/ws/live/x/"


def test_what_is_said_of_a_page_that_went_wrong_names_its_route_and_never_its_path(lines: Lines) -> None:
    Client(enforce_csrf_checks=True).post("/accounts/password/reset/key/1-of-a-mail/")

    (refused,) = lines.of("csrf.refused")
    assert refused["route"].startswith("accounts/password/reset/key/")
    assert "of-a-mail" not in json.dumps(refused)
