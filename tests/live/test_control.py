"""Control events on their way to tabs: what nobody listened for is said to be missed, and then none is."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer, channel_layers
from channels_redis.pubsub import RedisPubSubChannelLayer
from redis.exceptions import ConnectionError as Unconnected

from live import control
from live.channel import Channel
from live.feed import Feed
from live.frames import Control
from live.news import MISSED, News
from live.stopping import stop
from sandboxes.announce import group_name
from sandboxes.layer import SiteLayer
from tests.bench.sockets import LiveSocket
from tests.live.served import Served, served
from tests.live.valkey import Valkey

SANDBOX = uuid.uuid4()
GROUP = group_name(SANDBOX)


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.005)


def event(kind: str) -> dict[str, Any]:
    return {"type": "control.event", "kind": kind, "data": {}}


class LateLayer(InMemoryChannelLayer):
    """Its groups are joined when the test lets them be."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.let_in = asyncio.Event(), asyncio.Event()

    async def group_add(self, group: str, channel: str) -> None:
        self.asked.set()
        await self.let_in.wait()
        await super().group_add(group, channel)


class DeafLayer(InMemoryChannelLayer):
    """Says that one was added who was not, the first time: as Redis does while its answer is on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.added = 0

    async def group_add(self, group: str, channel: str) -> None:
        self.added += 1
        if self.added > 1:
            await super().group_add(group, channel)


class FailingLayer(SiteLayer):
    """The site's over Redis, whose connection breaks at one step of the first five tries."""

    def __init__(self, step: str, hosts: list[str]) -> None:
        super().__init__(hosts)
        self.step, self.left = step, 5

    async def new_channel(self, prefix: str = "specific.") -> str:
        layer = self._get_layer()
        with pytest.MonkeyPatch.context() as patch:
            if self._breaks("new_channel"):
                patch.setattr(layer._shards[0], "subscribe", _unconnected)
            return await super().new_channel(prefix)

    async def group_add(self, group: str, channel: str) -> None:
        if self._breaks("group_add"):
            raise Unconnected
        await super().__getattr__("group_add")(group, channel)

    async def group_send(self, group: str, message: Mapping[str, Any]) -> None:
        if self._breaks("group_send"):
            raise Unconnected
        await super().__getattr__("group_send")(group, message)

    def _breaks(self, step: str) -> bool:
        self.left -= step == self.step
        return step == self.step and self.left >= 0


async def _unconnected(channel: str) -> None:
    raise Unconnected


class Follower:
    """Follows while it is entered; what it was told, in order."""

    def __init__(self, layer: Any) -> None:
        self.layer = layer
        self.kinds: list[str] = []

    async def __aenter__(self) -> Follower:
        channel_layers.set("default", self.layer)
        self._task = asyncio.create_task(control.follow(SANDBOX.hex, self._tell))
        return self

    async def __aexit__(self, *_: object) -> None:
        await stop([self._task])

    def _tell(self, told: Mapping[str, Any]) -> None:
        self.kinds.append(told["kind"])


@pytest.fixture(autouse=True)
async def _layer_of_before() -> AsyncIterator[None]:
    before = channel_layers["default"]
    yield
    channel_layers.set("default", before)


async def test_what_happens_before_the_group_is_joined_is_told_as_missed() -> None:
    layer = LateLayer()
    async with Follower(layer) as follower:
        await layer.asked.wait()
        await layer.group_send(GROUP, event("attempt"))
        layer.let_in.set()
        await until(lambda: follower.kinds)
        await layer.group_send(GROUP, event("verdict"))
        await until(lambda: len(follower.kinds) > 1)
    assert follower.kinds == [MISSED, "verdict"]


async def test_missed_is_only_said_once_we_hear_what_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "_ECHO_S", 0.1)
    monkeypatch.setattr(control, "_AGAIN_S", 0.1)
    layer = DeafLayer()
    async with Follower(layer) as follower:
        await until(lambda: follower.kinds)
        assert layer.added >= 2, "the first time nothing was heard"
        await layer.group_send(GROUP, event("attempt"))
        await until(lambda: len(follower.kinds) > 1)
    assert follower.kinds == [MISSED, "attempt"]


async def test_over_redis_nothing_is_lost_after_missed_was_said_and_no_echo_is_handed_on(
    shared_valkey: Valkey, feed: Feed
) -> None:
    layer = RedisPubSubChannelLayer(hosts=[shared_valkey.url])
    async with Follower(layer) as one, Follower(layer) as another:
        for follower in (one, another):
            await until(lambda follower=follower: follower.kinds)  # type: ignore[misc]
        for number in range(20):
            await layer.group_send(GROUP, event(f"attempt {number}"))
        await until(lambda: min(len(one.kinds), len(another.kinds)) > 20)
    everything = [MISSED, *(f"attempt {number}" for number in range(20))]
    assert one.kinds == another.kinds == everything
    await layer.flush()


@pytest.mark.parametrize("fails", ["new_channel", "group_add", "group_send"])
async def test_a_try_that_redis_fails_leaves_nothing_behind(
    shared_valkey: Valkey, feed: Feed, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    monkeypatch.setattr(control, "_AGAIN_S", 0.01)
    layer = FailingLayer(fails, [shared_valkey.url])
    async with Follower(layer) as follower:
        await until(lambda: follower.kinds)
        held = layer._get_layer()
        assert (len(held.channels), [len(of) for of in held.groups.values()]) == (1, [1])
        assert len(held._shards[0]._subscribed_to) == 2, "the channel and its group"
    assert (held.channels, held.groups, held._shards[0]._subscribed_to) == ({}, {}, set())
    await layer.flush()


async def test_following_begins_anew_only_when_the_one_before_has_left(feed: Feed) -> None:
    steps: list[str] = []

    async def follow(hex_id: str, tell: control.Tell) -> None:
        steps.append("in")
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            steps.append("out")

    channel = Channel(SANDBOX.hex, feed, follow)
    for _ in range(2):
        channel.listen()
        await asyncio.sleep(0.01)
    await until(lambda: len(steps) == 3)
    await channel.close()
    assert steps == ["in", "out"] * 2


# -- For tabs that ask now and then --------------------------------------------------------------------------


def told(kind: str, t: int) -> Control:
    return Control(t=t, kind=kind, data={})


def kinds(news: News, t: int) -> list[str]:
    return [frame.kind for frame in news.since(t)]


def test_until_somebody_listens_a_new_tab_hears_nothing_and_one_that_was_here_before_missed() -> None:
    """What happened since its last answer may have been told to nobody."""
    news = News()
    news.keep(told("attempt", 5))
    assert (kinds(news, 0), kinds(news, 5)) == ([], [MISSED])
    news.keep(told(MISSED, 10))
    assert [kinds(news, t) for t in (0, 5, 10)] == [[MISSED]] * 3
    assert kinds(news, 11) == []


def test_an_event_of_the_same_millisecond_as_the_last_answer_is_not_lost() -> None:
    news = News()
    news.keep(told(MISSED, 10))
    news.keep(told("verdict", 20))
    assert kinds(news, 20) == ["verdict"]
    assert kinds(news, 21) == []


def test_whoever_asks_so_late_that_some_were_forgotten_is_told_missed() -> None:
    news = News()
    news.keep(told(MISSED, 0))
    for t in range(1, 100):
        news.keep(told(f"verdict {t}", t))
    assert kinds(news, 35) == [MISSED]
    assert kinds(news, 36) == [f"verdict {t}" for t in range(36, 100)]


# -- On the site, at the moment a page comes -----------------------------------------------------------------


class Page:
    """A tab that has just come; `sent_ms`: when the news was sent that its page does not know of."""

    def __init__(self, site: Served, sandbox: uuid.UUID, cookie: str) -> None:
        self.sandbox = sandbox
        self._url = site.valkey.url
        self.socket = LiveSocket(site.address, f"/ws/live/{sandbox}/", cookie)
        self.sent_ms = 0.0

    def come(self) -> None:
        self.socket.say(op="hello", view=[], resume=None)

    def hear(self) -> dict[str, Any]:
        text = self.socket.hear(60)
        assert text
        heard: dict[str, Any] = json.loads(text)
        return heard

    def begin_a_lab_elsewhere(self) -> None:
        async def send() -> None:
            layer = RedisPubSubChannelLayer(hosts=[self._url], prefix="millrace")
            await layer.group_send(group_name(self.sandbox), event("attempt"))
            await layer.flush()

        asyncio.run(send())
        self.sent_ms = time.time() * 1000

    def knows_of_it(self) -> bool:
        """Whether it hears of it, or is told to ask for everything again, before a second ping."""
        pings = 0
        while pings < 2:
            heard = self.hear()
            pings += heard["lane"] == "ping"
            if heard["lane"] == "control" and (heard["kind"] == "attempt" or heard["t"] >= int(self.sent_ms)):
                return True
        return False


@pytest.mark.slow
def test_what_happens_while_a_page_comes_reaches_it_whenever_that_is() -> None:
    with served(FURNISHED_STUDENTS="9") as site:
        pages = [Page(site, sandbox, cookie) for sandbox, cookie in site.students]
        for page in pages[:3]:
            page.begin_a_lab_elsewhere()
            page.come()
        for page in pages[3:6]:
            page.come()
            page.begin_a_lab_elsewhere()
        for page in pages[6:]:
            page.come()
            assert page.hear()["lane"] == "hello"
            page.begin_a_lab_elsewhere()
        assert [page.knows_of_it() for page in pages] == [True] * 9
        for page in pages:
            page.socket.cut()
