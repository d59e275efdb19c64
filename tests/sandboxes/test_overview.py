"""The staff's websocket: who may open it, of whom it tells, how often, and when it ends."""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async
from channels.layers import get_channel_layer
from channels.routing import URLRouter
from channels.testing import WebsocketCommunicator
from redis import Redis

from accounts import sockets
from accounts.models import Role, User
from accounts.session_store import SessionStore
from accounts.sessions import users_of
from sandboxes import overview
from sandboxes.announce import announce
from sandboxes.models import Sandbox
from sandboxes.routing import websocket_urlpatterns
from tests import cast, make
from tests.live.valkey import Valkey, running_valkey

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def people(transactional_db: None) -> cast.Cast:
    return cast.assemble()


@pytest.fixture
def adas(people: cast.Cast) -> Sandbox:
    return Sandbox.objects.create(owner=people.ada, state="ready")


@pytest.fixture
def edsgers(people: cast.Cast) -> Sandbox:
    return Sandbox.objects.create(owner=people.edsger, state="ready")


class Tab:
    """A browser tab on the real consumer, below the middleware that reads the cookie."""

    def __init__(self, session: SessionStore | None) -> None:
        self.session = session
        self._wire = WebsocketCommunicator(URLRouter(websocket_urlpatterns), "/ws/overview/")
        scope: dict[str, Any] = self._wire.scope  # type: ignore[assignment]
        scope["session"] = session

    async def open(self) -> "Tab":
        accepted, _ = await self._wire.connect()
        assert accepted
        return self

    async def next(self, within_s: float = 30) -> Any:
        """The next frame that is no ping, or the code it was closed with."""
        while True:
            message = await self._wire.receive_output(timeout=within_s)
            if message["type"] == "websocket.close":
                return message["code"]
            frame = json.loads(message["text"])
            if frame["kind"] != "ping":
                return frame

    async def hears_nothing(self) -> bool:
        return bool(await self._wire.receive_nothing(timeout=0.8))

    async def say(self, text: str) -> None:
        await self._wire.send_to(text_data=text)

    async def leave(self) -> None:
        await self._wire.disconnect()


async def tab_of(user: User | None) -> Tab:
    return await Tab(await sync_to_async(make.session)(user) if user else None).open()


async def listening(user: User) -> Tab:
    tab = await tab_of(user)
    assert await tab.next() == {"kind": "hello"}
    return tab


tell = sync_to_async(announce)


@pytest.fixture
async def layer_over_valkey(settings: Any) -> AsyncIterator[Valkey]:
    """The channel layer of the site, over a Redis that can be stopped."""
    with running_valkey() as valkey:
        settings.CHANNEL_LAYERS = {
            "default": {
                "BACKEND": "sandboxes.layer.SiteLayer",
                "CONFIG": {"hosts": [valkey.url], "prefix": "overview"},
            }
        }
        yield valkey


@pytest.mark.parametrize(
    ("who", "code"),
    [("grace", 0), ("barbara", 0), ("root", 0), ("ada", sockets.FORBIDDEN), (None, sockets.SIGNED_OUT)],
)
async def test_only_staff_may_open_it(people: cast.Cast, who: str | None, code: int) -> None:
    tab = await tab_of(getattr(people, who) if who else None)
    assert await tab.next() == (code or {"kind": "hello"})
    await tab.leave()


async def test_an_instructor_hears_of_a_student_of_theirs(people: cast.Cast, adas: Sandbox) -> None:
    tab = await listening(people.grace)

    await tell(adas.pk, "sandbox", state="ready")

    assert await tab.next() == {
        "kind": "changed",
        "kinds": ["sandbox"],
        "sandboxes": [adas.hex],
        "users": [people.ada.pk],
        "all": False,
    }
    await tab.leave()


async def test_an_instructor_hears_nothing_of_other_peoples_students(
    people: cast.Cast, edsgers: Sandbox
) -> None:
    tab = await listening(people.grace)
    await tell(edsgers.pk, "verdict")
    assert await tab.hears_nothing()
    await tab.leave()


async def test_of_a_mixed_half_second_an_instructor_is_told_their_part(
    people: cast.Cast, adas: Sandbox, edsgers: Sandbox
) -> None:
    told = await sync_to_async(overview.changed)(people.grace, {"sandbox"}, {adas.hex, edsgers.hex})
    assert told is not None
    assert (told["sandboxes"], told["users"]) == ([adas.hex], [people.ada.pk])


async def test_an_admin_hears_of_everybody_and_of_what_nobody_owns(
    people: cast.Cast, adas: Sandbox, edsgers: Sandbox
) -> None:
    warm = await Sandbox.objects.acreate(owner=None, state="warm")
    tab = await listening(people.root)
    await tell(warm.pk, "sandbox")
    assert (await tab.next())["sandboxes"] == [warm.hex]

    for sandbox in (adas, edsgers, warm):
        await tell(sandbox.pk, "verdict")

    told = await tab.next()
    assert told["sandboxes"] == sorted([adas.hex, edsgers.hex, warm.hex])
    assert told["users"] == sorted([people.ada.pk, people.edsger.pk])
    await tab.leave()


async def test_saving_a_file_is_nobody_elses_business(people: cast.Cast, adas: Sandbox) -> None:
    tab = await listening(people.root)
    await tell(adas.pk, "files", path="ada.py")
    assert await tab.hears_nothing()
    await tab.leave()


async def test_a_hundred_events_become_a_message_or_two(people: cast.Cast, adas: Sandbox) -> None:
    tab = await listening(people.grace)
    began = time.monotonic()
    for index in range(100):
        await tell(adas.pk, ("sandbox", "verdict")[index % 2])
    messages: list[Any] = []
    while (
        not messages or "verdict" not in messages[-1]["kinds"] or time.monotonic() - began < overview.EVERY_S
    ):
        messages.append(await tab.next())
    while not await tab.hears_nothing():
        messages.append(await tab.next())

    half_seconds = (time.monotonic() - began) / overview.EVERY_S
    assert {kind for message in messages for kind in message["kinds"]} == {"sandbox", "verdict"}
    assert len(messages) <= half_seconds + 1
    await tab.leave()


async def test_events_that_do_not_concern_an_instructor_cost_no_query_each(
    people: cast.Cast, edsgers: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []
    ask = overview.changed

    def counted(*arguments: Any) -> Any:
        asked.append(time.monotonic())
        return ask(*arguments)

    monkeypatch.setattr(overview, "changed", counted)
    tab = await listening(people.grace)
    for _ in range(30):
        await tell(edsgers.pk, "sandbox")
        await asyncio.sleep(0.02)
    assert await tab.hears_nothing()

    pauses = [later - earlier for earlier, later in itertools.pairwise(asked)]
    assert asked
    assert all(pause > overview.EVERY_S * 0.9 for pause in pauses)
    await tab.leave()


async def test_whatever_is_told_goes_over_one_connection_that_stays_open(
    layer_over_valkey: Valkey, people: cast.Cast, adas: Sandbox
) -> None:
    tab = await listening(people.grace)
    with Redis.from_url(layer_over_valkey.url) as redis:
        before = redis.info("stats")["total_connections_received"]
        await sync_to_async(_tell_in_a_thread_of_its_own)(adas.pk, 20)
        made = redis.info("stats")["total_connections_received"] - before

    assert (await tab.next())["sandboxes"] == [adas.hex]
    assert made == 1
    await tab.leave()


def _tell_in_a_thread_of_its_own(sandbox: UUID, times: int) -> None:
    """As a worker does, which has no loop."""
    with ThreadPoolExecutor(1) as threads:
        for _ in range(times):
            threads.submit(announce, sandbox, "sandbox", state="ready").result()


async def test_a_tab_that_left_is_no_longer_of_the_group(
    layer_over_valkey: Valkey, people: cast.Cast, adas: Sandbox
) -> None:
    stays = await listening(people.grace)
    for _ in range(3):
        await (await listening(people.root)).leave()
    groups = get_channel_layer()._get_layer().groups  # type: ignore[union-attr]

    assert [len(channels) for channels in groups.values()] == [1]
    await tell(adas.pk, "sandbox")
    assert (await stays.next())["sandboxes"] == [adas.hex]
    await stays.leave()


async def test_of_very_many_sandboxes_none_is_named(people: cast.Cast) -> None:
    many = {f"{number:032x}" for number in range(overview.NAMED + 1)}
    assert await sync_to_async(overview.changed)(people.root, {"sandbox"}, many) == {
        "kind": "changed",
        "kinds": ["sandbox"],
        "sandboxes": [],
        "users": [],
        "all": True,
    }
    assert await sync_to_async(overview.changed)(people.grace, {"sandbox"}, many) is None


def test_who_is_told_costs_one_query_however_many_changed(
    people: cast.Cast, django_assert_num_queries: Any
) -> None:
    students = [make.student(f"s{number}") for number in range(50)]
    for student in students:
        make.enrolment(student, people.spring)
    rows = Sandbox.objects.bulk_create(Sandbox(owner=student, state="ready") for student in students)
    with django_assert_num_queries(1):
        told = overview.changed(people.grace, {"sandbox"}, {row.hex for row in rows})
    assert told is not None
    assert len(told["users"]) == 50


async def test_what_waits_to_be_told_is_bounded(people: cast.Cast) -> None:
    consumer = overview.OverviewConsumer()
    consumer._news, consumer._kinds, consumer._sandboxes = asyncio.Event(), set(), set()
    for number in range(overview.GATHERED + 100):
        consumer._note({"type": "overview.event", "sandbox": f"{number:032x}", "kind": "sandbox"})
    assert len(consumer._sandboxes) == overview.GATHERED


@pytest.mark.parametrize("word", ["{}", " ", "x" * 100_000])
async def test_whoever_talks_is_sent_away(people: cast.Cast, word: str) -> None:
    tab = await listening(people.grace)
    await tab.say(word)
    assert await tab.next() == sockets.BAD_FRAME


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks come four times as often, so that a test need not wait for the real ones."""
    monkeypatch.setattr(overview, "LOOK_S", overview.LOOK_S / 4)


def test_looks_are_close_enough_to_end_a_socket_within_five_seconds() -> None:
    assert overview.LOOK_S <= 4.5


async def test_signing_out_closes_it_at_the_next_look(soon: None, people: cast.Cast) -> None:
    tab = await listening(people.grace)
    assert tab.session is not None
    await sync_to_async(tab.session.flush)()
    assert await tab.next() == sockets.SIGNED_OUT


@pytest.mark.parametrize(
    ("who", "role"), [("grace", Role.STUDENT), ("grace", Role.ADMIN), ("root", Role.INSTRUCTOR)]
)
async def test_another_role_closes_it_at_the_next_look(
    soon: None, people: cast.Cast, who: str, role: Role
) -> None:
    tab = await listening(getattr(people, who))
    await User.objects.filter(username=who).aupdate(role=role)
    assert await tab.next() == sockets.SIGNED_OUT


async def test_a_look_lets_those_stay_who_may(soon: None, people: cast.Cast, adas: Sandbox) -> None:
    tab = await listening(people.grace)
    await asyncio.sleep(2 * overview.LOOK_S + 0.5)
    await tell(adas.pk, "verdict")
    assert (await tab.next())["users"] == [people.ada.pk]
    await tab.leave()


async def test_events_cross_a_real_redis(layer_over_valkey: Valkey, people: cast.Cast, adas: Sandbox) -> None:
    tab = await listening(people.grace)
    await tell(adas.pk, "sandbox", state="ready")
    assert (await tab.next())["sandboxes"] == [adas.hex]
    await tab.leave()


@pytest.mark.logs("channels_redis.pubsub")
async def test_a_page_is_told_to_come_back_when_redis_is_gone(
    soon: None, layer_over_valkey: Valkey, people: cast.Cast
) -> None:
    tab = await listening(people.grace)
    layer_over_valkey.stop()
    assert await tab.next() == sockets.LATER


async def test_without_redis_a_page_is_told_to_come_back_later(
    layer_over_valkey: Valkey, people: cast.Cast
) -> None:
    layer_over_valkey.stop()
    tab = await tab_of(people.grace)
    assert await tab.next() == sockets.LATER


def test_every_end_of_a_session_is_seen(people: cast.Cast) -> None:
    def key(user: User) -> str:
        return str(make.session(user).session_key)

    keys = {name: key(getattr(people, name)) for name in ("ada", "grace", "barbara", "root")}
    people.barbara.set_password("another one entirely")
    people.barbara.save()
    User.objects.filter(pk=people.root.pk).update(is_active=False)
    SessionStore(keys["ada"]).flush()

    assert users_of([*keys.values(), "made-up", ""]) == {keys["grace"]: people.grace}
