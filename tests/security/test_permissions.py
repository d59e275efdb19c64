"""The permission matrix is complete, and each of its cells is what really happens."""

from collections.abc import Iterator
from typing import Any

import pytest
from channels.testing import WebsocketCommunicator
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from sandboxes.models import Sandbox
from tests.security.permissions import PEOPLE, ROWS, SOCKETS, Row, Socket
from tests.security.stage import Scene, set_scene

DENIED = 1000  # what the test's client reports of a handshake that was refused
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What only scripts of ours ask, for its body.
NO_HEAD = {"live/<uuid:sandbox_id>/events/", "live/<uuid:sandbox_id>/poll/", "sandbox/files/<path:path>"}


def routes(resolver: URLResolver | None = None, before: str = "") -> Iterator[str]:
    """Every address pattern of the site, as one string each."""
    for pattern in (resolver or get_resolver()).url_patterns:
        route = before + str(pattern.pattern).removeprefix("^").removesuffix("$")
        if isinstance(pattern, URLResolver):
            yield from routes(pattern, route)
        elif isinstance(pattern, URLPattern):
            yield route


def socket_routes() -> set[str]:
    from live.routing import websocket_urlpatterns as live
    from sandboxes.routing import websocket_urlpatterns as sandboxes

    return {str(pattern.pattern) for pattern in (*live, *sandboxes)}


def test_every_address_has_a_row() -> None:
    assert set(routes()) - {row.route for row in ROWS} == set()


def test_every_row_is_an_address() -> None:
    assert {row.route for row in ROWS} - set(routes()) == set()


def test_every_socket_has_a_row_and_every_row_is_a_socket() -> None:
    assert socket_routes() == {socket.route for socket in SOCKETS}


@pytest.mark.parametrize("entry", [*ROWS, *SOCKETS], ids=lambda entry: entry.path)
def test_a_row_decides_for_everybody(entry: Row | Socket) -> None:
    assert set(entry.expect) == set(PEOPLE)


@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_everybody_gets_what_the_matrix_says(scene: Scene, row: Row, person: str) -> None:
    answer = ask(scene, row, person)

    assert answer.status_code == row.expect[person], answer.content[:300]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.method == "GET" and row.route not in NO_HEAD], ids=lambda row: row.name
)
def test_whoever_may_read_a_page_may_ask_about_it_first(scene: Scene, row: Row) -> None:
    """HEAD, as link checkers and proxies send it."""
    answers = {
        person: scene.client(person).head(scene.fill(row.path), headers=dict(row.headers))
        for person in PEOPLE
    }

    assert {person: answer.status_code for person, answer in answers.items()} == row.expect


@pytest.mark.parametrize("person", sorted(set(PEOPLE) - {"ada"}))
@pytest.mark.parametrize("row", [row for row in ROWS if row.method != "GET"], ids=lambda row: row.name)
def test_nobody_else_changes_adas_sandbox_or_account_but_who_may(scene: Scene, row: Row, person: str) -> None:
    before = adas(scene)

    ask(scene, row, person)

    assert (adas(scene) != before) is (person in row.acts)


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row.method != "GET" and not row.open], ids=lambda row: row.name
)
def test_no_change_is_made_without_the_pages_token(scene: Scene, row: Row) -> None:
    client, before = scene.client("ada"), adas(scene)
    client.handler.enforce_csrf_checks = True

    answer = client.generic(row.method, scene.fill(row.path), **request_of(row))

    assert answer.status_code == 403
    assert adas(scene) == before


@pytest.mark.parametrize(
    "route", sorted({row.route for row in ROWS if not row.route.startswith("accounts/")})
)
def test_a_method_without_a_row_is_refused(scene: Scene, route: str) -> None:
    rows = [row for row in ROWS if row.route == route]
    others = set(METHODS) - {row.method for row in rows}

    statuses = {
        method: scene.client("ada").generic(method, scene.fill(rows[0].path)).status_code for method in others
    }

    assert set(statuses.values()) <= {405}, statuses


@pytest.mark.usefixtures("redis")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("person", PEOPLE)
@pytest.mark.parametrize("socket", SOCKETS, ids=lambda socket: socket.route)
async def test_a_socket_opens_for_whom_the_matrix_says(socket: Socket, person: str) -> None:
    from asgiref.sync import sync_to_async

    scene = await sync_to_async(set_scene)()
    cookie = await sync_to_async(cookie_of)(scene, person)

    assert await code_of(scene.fill(socket.path), cookie) == socket.expect[person]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("origin", [b"", b"null", b"http://evil.example", b"http://localhost.evil.example"])
@pytest.mark.parametrize("socket", SOCKETS, ids=lambda socket: socket.route)
async def test_no_socket_opens_for_a_page_of_another_site(socket: Socket, origin: bytes) -> None:
    from asgiref.sync import sync_to_async

    scene = await sync_to_async(set_scene)()
    cookie = await sync_to_async(cookie_of)(scene, "ada")

    assert await code_of(scene.fill(socket.path), cookie, origin=origin) == DENIED


@pytest.mark.parametrize("path", ["/", "/ws/", "/ws/live/", "/ws/live/not-an-id/", "/ws/" + "x" * 5000])
async def test_a_socket_at_no_address_is_refused_and_nothing_breaks(path: str) -> None:
    assert await code_of(path, "") == DENIED


def ask(scene: Scene, row: Row, person: str) -> Any:
    return scene.client(person).generic(row.method, scene.fill(row.path), **request_of(row))


def request_of(row: Row) -> dict[str, Any]:
    """The row's body as the test client wants it: a form from a mapping, else the text with its own type."""
    from urllib.parse import urlencode

    if isinstance(row.body, dict):
        return {"data": urlencode(row.body), "content_type": "application/x-www-form-urlencoded"}
    headers = dict(row.headers)
    kind = headers.pop("Content-Type", "application/octet-stream")
    return {"data": row.body or "", "content_type": kind, "headers": headers}


def adas(scene: Scene) -> tuple[Any, ...]:
    """All of Ada's that a stranger could want to change."""
    from sandboxes import provisioning

    row = Sandbox.objects.values().get(pk=scene.sandbox.pk)
    account = User.objects.values("password", "role", "is_active").get(pk=scene.cast.ada.pk)
    files = provisioning.workspace(scene.sandbox).list_files()
    return row, account, files


def cookie_of(scene: Scene, person: str) -> str:
    return "; ".join(f"{name}={morsel.value}" for name, morsel in scene.client(person).cookies.items())


async def code_of(path: str, cookie: str, origin: bytes = b"http://localhost") -> int:
    """0 when the socket stays open, else the code it is closed with, or DENIED before it opened."""
    from config.asgi import application

    headers = [(b"host", b"localhost"), (b"origin", origin), (b"cookie", cookie.encode())]
    socket = WebsocketCommunicator(application, path, headers=headers)
    connected, code = await socket.connect(timeout=5)
    if not connected:
        return int(code or DENIED)
    first = await socket.receive_output(timeout=5) if not await socket.receive_nothing(0.3) else {"type": ""}
    await socket.disconnect()
    return int(first["code"]) if first["type"] == "websocket.close" else 0
