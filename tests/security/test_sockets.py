"""The rules of every websocket (S11): its manners are written down here, and each of them is tried.

A websocket without an entry fails the build, as one without a row in the permission matrix does.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from accounts.models import Role, User
from accounts.sockets import BAD_FRAME, FORBIDDEN, SIGNED_OUT, TOO_MANY, WORDS_AT_ONCE, WORDS_PER_S
from live import sessions
from sandboxes import overview
from sandboxes.models import Sandbox
from sandboxes.workspace import consumer
from tests.security.stage import Scene, set_scene
from tests.security.test_permissions import DENIED, cookie_of, socket_routes

pytestmark = [pytest.mark.usefixtures("redis"), pytest.mark.django_db(transaction=True)]

PROMISED_S = 5.0
_WITHIN_S = 60.0
Change = Callable[[Scene], None]
Word = Mapping[str, Any] | str | bytes


def sign_out(scene: Scene) -> None:
    from django.contrib.sessions.models import Session

    Session.objects.all().delete()


def close_accounts(scene: Scene) -> None:
    User.objects.update(is_active=False)


def hand_over(scene: Scene) -> None:
    Sandbox.objects.filter(pk=scene.sandbox.pk).update(owner=scene.cast.edsger)


def make_everybody_a_student(scene: Scene) -> None:
    User.objects.update(role=Role.STUDENT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manners:
    """One websocket's, as a page of ours keeps them.

    who:     somebody who may open it.
    first:   what the page says before anything else.
    again:   words it may say as often as it likes; () when it says nothing at all.
    asks:    words for which the permission is looked at again.
    looks:   module and name of how often the session is looked at, seconds.
    wrong:   an operation with what it does not take.
    ends:    what ends it while it is open, and the code.
    """

    path: str
    who: str
    looks: tuple[Any, str]
    first: tuple[Mapping[str, Any], ...] = ()
    again: tuple[Mapping[str, Any], ...] = ()
    asks: tuple[Mapping[str, Any], ...] = ()
    wrong: Mapping[str, Any] = field(default_factory=dict)
    ends: Mapping[Change, int] = field(default_factory=dict)


_ANYWHERE: dict[Change, int] = {sign_out: SIGNED_OUT, close_accounts: SIGNED_OUT}

MANNERS: Mapping[str, Manners] = {
    "ws/live/<uuid:sandbox_id>/": Manners(
        path="/ws/live/{sandbox}/",
        who="ada",
        looks=(sessions, "CHECK_S"),
        first=({"op": "hello", "view": [], "resume": None},),
        again=({"op": "ack", "seq": 1},),
        asks=({"op": "view", "topics": ["orders"]},),
        wrong={"op": "view", "topics": [1]},
        ends=_ANYWHERE | {hand_over: FORBIDDEN},
    ),
    "ws/workspace/<uuid:sandbox_id>/": Manners(
        path="/ws/workspace/{sandbox}/",
        who="ada",
        looks=(consumer, "RECHECK_S"),
        again=({"op": "follow", "after": 0},),
        asks=({"op": "follow", "after": 0}, {"op": "run", "path": "ada.py", "args": [], "label": ""}),
        wrong={"op": "run", "path": 5, "args": "x"},
        ends=_ANYWHERE | {hand_over: FORBIDDEN},
    ),
    "ws/overview/": Manners(
        path="/ws/overview/",
        who="grace",
        looks=(overview, "LOOK_S"),
        ends=_ANYWHERE | {make_everybody_a_student: SIGNED_OUT},
    ),
}


def each(choose: Callable[[Manners], object] = lambda _: True) -> pytest.MarkDecorator:
    """A test for every websocket, or for those of which something is so."""
    chosen = [(route, manners) for route, manners in MANNERS.items() if choose(manners)]
    return pytest.mark.parametrize(
        "manners", [manners for _, manners in chosen], ids=[route for route, _ in chosen]
    )


def test_every_websocket_has_its_manners() -> None:
    assert set(MANNERS) == socket_routes()


@each()
def test_a_session_is_looked_at_often_enough_to_end_in_five_seconds(manners: Manners) -> None:
    module, name = manners.looks
    assert getattr(module, name) <= PROMISED_S - 1


class Page:
    """A websocket to the whole site, as a browser's."""

    def __init__(self, scene: Scene, manners: Manners, headers: Mapping[str, str]) -> None:
        from config.asgi import application

        given = {"host": "localhost", "origin": "http://localhost"} | dict(headers)
        raw = [(name.encode(), value.encode()) for name, value in given.items() if value]
        self.wire = WebsocketCommunicator(application, scene.fill(manners.path), headers=raw)
        self.manners = manners

    async def connect(self) -> int:
        accepted, code = await self.wire.connect(timeout=_WITHIN_S)
        return 0 if accepted else int(code or DENIED)

    async def open(self) -> Page:
        assert await self.connect() == 0
        for word in self.manners.first:
            await self.say(word)
        return self

    async def say(self, word: Word) -> None:
        kind = "bytes" if isinstance(word, bytes) else "text"
        said = word if isinstance(word, str | bytes) else json.dumps(word)
        await self.wire.send_input({"type": "websocket.receive", kind: said})

    async def code(self) -> int:
        """What it is closed with."""
        while (message := await self.wire.receive_output(timeout=_WITHIN_S))["type"] != "websocket.close":
            continue
        return int(message["code"])

    async def stays(self, for_s: float = 0.5) -> bool:
        """Whether it is still open after a while in which it may be told anything."""
        loop = asyncio.get_running_loop()
        until = loop.time() + for_s
        while (left := until - loop.time()) > 0:
            if await self.wire.receive_nothing(timeout=left):
                continue
            if (await self.wire.receive_output(timeout=_WITHIN_S))["type"] == "websocket.close":
                return False
        return True

    async def leave(self) -> None:
        await self.wire.disconnect()


@pytest.fixture
async def scene(transactional_db: None) -> Scene:
    return await sync_to_async(set_scene)()


async def page_of(scene: Scene, manners: Manners, who: str = "", **headers: str) -> Page:
    cookie = await sync_to_async(cookie_of)(scene, who or manners.who)
    return Page(scene, manners, {"cookie": cookie} | headers)


def look_every(manners: Manners, monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    module, name = manners.looks
    monkeypatch.setattr(module, name, seconds)


# -- opening it --------------------------------------------------------------------------------------------


@each()
@pytest.mark.parametrize(
    "origin", ["", "null", "https://localhost:1", "http://localhost.evil", "//localhost"]
)
async def test_a_handshake_without_our_own_origin_is_refused(
    scene: Scene, manners: Manners, origin: str
) -> None:
    assert await (await page_of(scene, manners, origin=origin)).connect() == DENIED


@each()
@pytest.mark.parametrize("cookie", ["", "millrace-session=made-up", "sessionid=' or 1=1"])
async def test_a_handshake_without_a_session_is_told_to_sign_in(
    scene: Scene, manners: Manners, cookie: str
) -> None:
    page = await page_of(scene, manners, cookie=cookie)
    assert await page.connect() == 0, "a browser is not told the code of a refused handshake"
    assert await page.code() == SIGNED_OUT
    await page.leave()


@each()
async def test_one_person_has_so_many_open_and_gets_a_place_when_one_is_left(
    scene: Scene, manners: Manners, settings: Any
) -> None:
    settings.LIVE_TABS_PER_USER = 2
    pages = [await (await page_of(scene, manners)).open() for _ in range(2)]
    for page in pages:
        assert await page.stays()
    one_more = await page_of(scene, manners)
    await one_more.connect()
    assert await one_more.code() == TOO_MANY
    await one_more.leave()

    await pages[0].leave()

    again = await (await page_of(scene, manners)).open()
    assert await again.stays()
    await again.leave()
    await pages[1].leave()


# -- what may be said --------------------------------------------------------------------------------------

STRANGE: dict[str, Word] = {
    "an operation of no page of ours": {"op": "drop everything"},
    "no operation": {},
    "a list": "[]",
    "no JSON": "{",
    "nothing": "",
    "JSON of 2,000 levels": "[" * 2000 + "]" * 2000,
    "bytes": b'{"op": "ack", "seq": 1}',
    "more than 4 KB": json.dumps({"op": "ack", "seq": 1, "x": "x" * 4097}),
}


@each()
@pytest.mark.parametrize("word", list(STRANGE.values()), ids=list(STRANGE))
async def test_whoever_says_what_no_page_of_ours_says_is_sent_away(
    scene: Scene, manners: Manners, word: Word
) -> None:
    page = await (await page_of(scene, manners)).open()
    await page.say(word)
    assert await page.code() == BAD_FRAME
    await page.leave()


@each(lambda manners: manners.again)
async def test_whoever_gives_an_operation_what_it_does_not_take_is_sent_away(
    scene: Scene, manners: Manners
) -> None:
    page = await (await page_of(scene, manners)).open()
    await page.say(manners.wrong)
    assert await page.code() == BAD_FRAME
    await page.leave()


@each(lambda manners: manners.again)
async def test_whoever_talks_without_end_is_sent_away(scene: Scene, manners: Manners) -> None:
    page = await (await page_of(scene, manners)).open()
    for _ in range(WORDS_AT_ONCE // 2):
        await page.say(manners.again[0])
    assert await page.stays(), "a page that has much to say at first is one of ours"
    for _ in range(WORDS_AT_ONCE * 3):
        await page.say(manners.again[0])
    assert await page.code() == BAD_FRAME
    assert WORDS_PER_S <= 20
    await page.leave()


# -- when it ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("manners", "change", "code"),
    [
        pytest.param(manners, change, code, id=f"{route} {change.__name__}")
        for route, manners in MANNERS.items()
        for change, code in manners.ends.items()
    ],
)
async def test_it_ends_by_itself_when_the_right_to_it_does(
    scene: Scene, manners: Manners, change: Change, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    look_every(manners, monkeypatch, 0.3)
    page = await (await page_of(scene, manners)).open()
    assert await page.stays(1.0)

    await sync_to_async(change)(scene)

    assert await page.code() == code
    await page.leave()


@pytest.mark.parametrize(
    ("manners", "word"),
    [
        pytest.param(manners, word, id=f"{route} {word['op']}")
        for route, manners in MANNERS.items()
        for word in manners.asks
    ],
)
async def test_the_right_to_it_is_looked_at_whenever_something_is_asked(
    scene: Scene, manners: Manners, word: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    look_every(manners, monkeypatch, 3600.0)
    page = await (await page_of(scene, manners)).open()
    assert await page.stays()
    await sync_to_async(hand_over)(scene)

    await page.say(word)

    assert await page.code() == FORBIDDEN
    await page.leave()
