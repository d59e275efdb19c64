"""The live websocket: who may open it, what may be said on it, what it passes on, and when it ends."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from django.conf import settings

from accounts.models import User
from accounts.session_store import SessionStore
from live import access, process, sessions
from live.feed import Feed
from live.routing import websocket_urlpatterns
from sandboxes.announce import announce
from sandboxes.models import Sandbox
from tests import cast, make
from tests.live.sampling import HandSampler
from tests.live.valkey import Valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(transactional_db: None) -> cast.Cast:
    return cast.assemble()


@pytest.fixture
def sandbox(people: cast.Cast) -> Sandbox:
    return Sandbox.objects.create(owner=people.ada, state="ready")


@pytest.fixture(autouse=True)
async def _own_hub(shared_valkey: Valkey, feed: Feed, settings: Any) -> AsyncIterator[None]:
    settings.REDIS_URL = shared_valkey.url
    yield
    await process.close_all()


class Socket:
    """A websocket client of the real consumer, below the middleware that reads the cookie."""

    def __init__(self, sandbox_id: uuid.UUID, session: SessionStore | None) -> None:
        cookie = f"{settings.SESSION_COOKIE_NAME}={session.session_key}" if session else ""
        self._wire = WebsocketCommunicator(
            URLRouter(websocket_urlpatterns),
            f"/ws/live/{sandbox_id}/",
            headers=[(b"cookie", cookie.encode())],
        )
        self._heard: list[str] = []

    async def open(self) -> Socket:
        accepted, _ = await self._wire.connect()
        assert accepted
        return self

    async def say(self, op: Any) -> None:
        await self._wire.send_to(text_data=op if isinstance(op, str) else json.dumps(op))

    async def hear(self) -> Any:
        """The next frame, or the code the socket is closed with."""
        if not self._heard:
            message = await self._wire.receive_output(timeout=30)
            if message["type"] == "websocket.close":
                return message["code"]
            self._heard = message["text"].split("\n")
        return json.loads(self._heard.pop(0))

    async def hear_until(self, lane: str) -> Any:
        while True:
            frame = await self.hear()
            if frame == lane or (isinstance(frame, dict) and frame["lane"] == lane):
                return frame
            assert isinstance(frame, dict), f"closed with {frame}"

    async def close_code(self, within_s: float = 30) -> int:
        async with asyncio.timeout(within_s):
            while True:
                frame = await self._wire.receive_output(timeout=within_s)
                if frame["type"] == "websocket.close":
                    return int(frame["code"])

    async def close(self) -> None:
        await self._wire.disconnect()


async def socket_of(user: User | None, sandbox_id: uuid.UUID) -> Socket:
    session = await sync_to_async(make.session)(user) if user else None
    return await Socket(sandbox_id, session).open()


HELLO = {"op": "hello", "view": ["orders"], "resume": None}


async def test_the_owner_sees_the_picture_and_what_changes(
    people: cast.Cast, sandbox: Sandbox, feed: Feed
) -> None:
    sampler = await HandSampler(feed, sandbox.hex).start()
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(HELLO)
    assert (await socket.hear())["resumed"] is False
    snap = await socket.hear_until("snap")
    assert snap["topics"].keys() == {"orders", "payments"}

    await sampler.produce_now()

    assert (await socket.hear_until("records"))["records"][0]["o"] == 0
    await socket.close()


@pytest.mark.parametrize(
    ("who", "code"),
    [("ada", 0), ("grace", 0), ("root", 0), ("edsger", 4403), ("barbara", 4403), (None, 4401)],
)
async def test_only_the_owner_her_instructor_and_an_admin_may_watch(
    people: cast.Cast, sandbox: Sandbox, who: str | None, code: int
) -> None:
    socket = await socket_of(getattr(people, who) if who else None, sandbox.pk)
    await socket.say(HELLO)
    heard = await socket.hear()
    assert heard == code if code else heard["lane"] == "hello"
    await socket.close()


async def test_a_sandbox_that_is_not_there_is_said_to_be_gone(people: cast.Cast) -> None:
    assert await (await socket_of(people.ada, uuid.uuid4())).close_code() == 4404


@pytest.mark.parametrize(
    "op",
    [
        {"op": "view", "topics": ["x"]},
        {"op": "ack", "seq": 1},
        " ",
        "{",
        {"op": "hello"},
        "x" * 5000,
        {"op": "?"},
    ],
)
async def test_a_bad_first_word_ends_the_conversation(people: cast.Cast, sandbox: Sandbox, op: Any) -> None:
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(op)
    assert await socket.close_code() == 4400


async def test_bytes_and_a_second_hello_end_the_conversation(people: cast.Cast, sandbox: Sandbox) -> None:
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(HELLO)
    await socket.say(HELLO)
    assert await socket.close_code() == 4400
    socket = await socket_of(people.ada, sandbox.pk)
    await socket._wire.send_to(bytes_data=json.dumps(HELLO).encode())
    assert await socket.close_code() == 4400


async def test_one_that_talks_without_end_is_closed(people: cast.Cast, sandbox: Sandbox) -> None:
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(HELLO)
    for _ in range(100):
        await socket.say({"op": "ack", "seq": 1})
    assert await socket.close_code() == 4400


async def test_a_control_event_is_passed_on(people: cast.Cast, sandbox: Sandbox) -> None:
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(HELLO)
    assert (await socket.hear_until("control"))["kind"] == "missed", "from here on it is listened for"

    await sync_to_async(announce)(sandbox.pk, "verdict", lab="5.1", state="pass")

    control = await socket.hear_until("control")
    assert (control["kind"], control["data"]) == ("verdict", {"lab": "5.1", "state": "pass"})
    await socket.close()


async def test_every_tab_that_comes_is_told_once_that_its_page_may_be_older_than_we_listen(
    people: cast.Cast, sandbox: Sandbox
) -> None:
    tabs = [await socket_of(people.ada, sandbox.pk) for _ in range(2)]
    for tab in tabs:
        await tab.say(HELLO)
        assert (await tab.hear_until("control"))["kind"] == "missed"

    await sync_to_async(announce)(sandbox.pk, "attempt", lab="5.1")

    for tab in tabs:
        assert (await tab.hear_until("control"))["kind"] == "attempt", "and not told again for the other tab"
        await tab.close()


async def test_a_view_change_asks_again_whether_the_user_may_watch(
    people: cast.Cast, sandbox: Sandbox
) -> None:
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(HELLO)
    await socket.hear_until("hello")
    await Sandbox.objects.filter(pk=sandbox.pk).aupdate(owner=people.edsger)

    await socket.say({"op": "view", "topics": ["payments"]})

    assert await socket.close_code() == 4403


def test_sessions_are_looked_at_often_enough_to_end_a_socket_within_five_seconds() -> None:
    assert sessions.CHECK_S <= 4.5


async def test_signing_out_closes_the_socket_at_the_next_look(
    people: cast.Cast, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "CHECK_S", sessions.CHECK_S / 10)
    session = await sync_to_async(make.session)(people.ada)
    socket = await Socket(sandbox.pk, session).open()
    await socket.say(HELLO)
    await socket.hear_until("hello")

    await sync_to_async(session.flush)()

    assert await socket.close_code() == 4401


def test_every_reason_to_end_is_found_in_one_look(people: cast.Cast, sandbox: Sandbox) -> None:
    def asker(user: User, sandbox_id: uuid.UUID = sandbox.pk) -> access.Asker:
        return access.Asker(session_key=str(make.session(user).session_key), sandbox_id=sandbox_id)

    fine, instructor, admin = asker(people.ada), asker(people.grace), asker(people.root)
    stranger, elsewhere = asker(people.edsger), asker(people.ada, uuid.uuid4())
    signed_out = access.Asker(session_key="gone", sandbox_id=sandbox.pk)
    ownerless = asker(people.root, Sandbox.objects.create(owner=None, state="warm").pk)
    old_password, shut = asker(people.barbara), asker(people.edsger)
    people.barbara.set_password("another one entirely")
    people.barbara.save()
    everybody = [fine, instructor, admin, stranger, elsewhere, signed_out, ownerless, old_password]
    codes = {one: answer.code for one, answer in access.judge(everybody).items()}
    assert codes == {
        fine: 0,
        instructor: 0,
        admin: 0,
        stranger: 4403,
        elsewhere: 4404,
        signed_out: 4401,
        ownerless: 4403,
        old_password: 4401,
    }
    User.objects.filter(pk=people.edsger.pk).update(is_active=False)
    assert access.judge([shut])[shut].code == 4401


def test_a_hundred_owners_cost_three_queries(
    people: cast.Cast, sandbox: Sandbox, django_assert_num_queries: Any
) -> None:
    keys = [str(make.session(people.ada).session_key) for _ in range(100)]
    askers = [access.Asker(session_key=key, sandbox_id=sandbox.pk) for key in keys]
    with django_assert_num_queries(3):
        assert {answer.code for answer in access.judge(askers).values()} == {0}


async def test_a_hundred_that_come_at_once_are_admitted_in_two_looks(
    people: cast.Cast, sandbox: Sandbox
) -> None:
    def asker() -> access.Asker:
        return access.Asker(session_key=str(make.session(people.ada).session_key), sandbox_id=sandbox.pk)

    askers = [await sync_to_async(asker)() for _ in range(100)]
    asked: list[int] = []
    sessions = process.of_this_process().sessions
    look = sessions._judged

    async def counted(some: Any) -> Any:
        asked.append(len(some))
        return await look(some)

    sessions._judged = counted  # type: ignore[assignment, method-assign]
    answers = await asyncio.gather(*(sessions.admit(one) for one in askers))

    assert {answer.code for answer in answers} == {0}
    assert sum(asked) == 100
    assert len(asked) <= 2


async def test_one_person_has_so_many_tabs_and_no_more(
    people: cast.Cast, sandbox: Sandbox, settings: Any
) -> None:
    settings.LIVE_TABS_PER_USER = 2
    session = await sync_to_async(make.session)(people.ada)
    tabs = [await Socket(sandbox.pk, session).open() for _ in range(3)]
    assert await tabs[2].close_code() == 4429

    await tabs[0].close()

    again = await Socket(sandbox.pk, session).open()
    await again.say(HELLO)
    assert (await again.hear())["lane"] == "hello"
    for tab in (tabs[1], again):
        await tab.close()


async def test_a_viewer_that_leaves_is_forgotten(people: cast.Cast, sandbox: Sandbox) -> None:
    socket = await socket_of(people.ada, sandbox.pk)
    await socket.say(HELLO)
    await socket.hear_until("hello")
    here = process.of_this_process()
    assert len(here.hub.viewers) == 1

    await socket.close()

    assert here.hub.viewers == []
    assert here.sessions._open == {}
    assert not here.sessions._counts
