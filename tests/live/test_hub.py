"""Frames from a sampler through a real Valkey to viewers: none missing, none twice, whatever is cut.

The idea of Zulip's tests: what a viewer holds after any history equals a fresh snapshot.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from accounts.sockets import SLOW
from live import frames
from live.feed import Feed, connect
from live.hub import Hub
from live.ops import Place
from live.picture import now_ms
from live.viewer import Viewer
from tests.gates.seed import dice
from tests.live.browser import Browser, drain
from tests.live.sampling import HandSampler
from tests.live.valkey import Valkey, running_valkey

ADA = "a" * 32


@pytest.fixture
async def hub(shared_valkey: Valkey, feed: Feed) -> AsyncIterator[Hub]:
    hub = Hub(Feed(connect(shared_valkey.url)))
    yield hub
    await hub.close()


async def until(holds: Callable[[], object], within_s: float = 60.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.005)


class Tab:
    """A viewer and the browser behind it; the browser keeps its picture over a cut."""

    def __init__(self, hub: Hub, *topics: str, hex_id: str = ADA) -> None:
        self.hub, self.hex_id = hub, hex_id
        self.browser = Browser()
        self.viewer = Viewer(topics)
        self.frames: list[Any] = []
        hub.attach(hex_id, self.viewer, None)

    def read(self) -> Browser:
        self.frames += drain(self.viewer, self.browser)
        return self.browser

    def cut(self) -> None:
        self.hub.detach(self.hex_id, self.viewer)

    def come_back(self) -> None:
        topics = self.viewer.topics
        self.viewer = Viewer(topics)
        self.hub.attach(self.hex_id, self.viewer, Place(self.browser.epoch, self.browser.seq))

    async def at(self, output: Any) -> Browser:
        """Read until the sampler's output has arrived."""
        await until(lambda: (self.read().epoch, self.browser.seq) == (output.epoch, output.seq))
        return self.browser


async def fresh(hub: Hub, *topics: str) -> Browser:
    """What somebody sees who comes now."""
    tab = Tab(hub, *topics)
    await until(lambda: tab.read().snaps)
    await asyncio.sleep(0.05)
    tab.read()
    tab.cut()
    return tab.browser


async def test_a_viewer_that_comes_first_waits_for_the_sampler_and_then_sees(hub: Hub, feed: Feed) -> None:
    tab = Tab(hub, "orders")
    await asyncio.sleep(0.1)
    assert [frame["lane"] for frame in drain(tab.viewer, tab.browser)] == ["hello"]

    sampler = await HandSampler(feed, ADA).start()
    await until(lambda: tab.read().snaps)

    browser = await tab.at(await sampler.produce_now(count=3))
    assert browser.state["topics"]["orders"]["partitions"][0]["end"] == 3
    assert browser.offsets["orders"][0] == [0, 1, 2]


async def test_a_viewer_makes_the_sandbox_watched_with_its_topics(hub: Hub, feed: Feed) -> None:
    Tab(hub, "orders", "payments")
    await asyncio.sleep(0.1)
    assert await feed.watched() == {ADA}
    assert set(await feed.views(ADA)) == {"orders", "payments"}


async def test_what_a_viewer_holds_equals_a_fresh_snapshot(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    chance = dice("hub")
    for _ in range(300):
        output = await sampler.produce_now("orders", chance.randrange(2), chance.randint(1, 3))
    browser = await tab.at(output)

    newcomer = await fresh(hub, "orders")

    assert browser.state == newcomer.state
    assert browser.offsets["orders"][0][-60:] == newcomer.offsets["orders"][0][-60:]
    assert not browser.holes
    assert not newcomer.holes


async def test_a_topic_that_is_not_viewed_costs_a_skip_and_leaves_no_gap(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await until(lambda: tab.read().snaps)

    await sampler.produce_now("payments", count=2)
    browser = await tab.at(await sampler.produce_now("orders"))

    assert browser.offsets["payments"] == {}
    assert browser.state["topics"]["payments"]["partitions"][0]["end"] == 2
    assert not browser.sent
    assert [f["lane"] for f in tab.frames if f["lane"] in {"skip", "records"}] == ["skip", "records"]


async def test_a_topic_viewed_later_comes_with_its_records(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await tab.at(await sampler.produce_now("payments", count=2))

    hub.view(ADA, tab.viewer, ["orders", "payments"])
    await until(lambda: tab.read().offsets["payments"][0] == [0, 1])

    assert (await tab.at(await sampler.produce_now("payments"))).offsets["payments"][0] == [0, 1, 2]


async def test_what_happened_is_told_once_although_another_topic_is_viewed_afterwards(
    hub: Hub, feed: Feed
) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await until(lambda: tab.read().snaps)
    sampler.picture.note({"kind": "topic_created", "sentence": "Topic payments was created."})
    await tab.at(await sampler.flush())
    await tab.at(await sampler.produce_now("payments"))

    hub.view(ADA, tab.viewer, ["orders", "payments"])
    await until(lambda: tab.read().snaps == 2)

    assert [event["kind"] for event in tab.read().events] == ["topic_created"]


async def test_a_cut_inside_the_window_gives_exactly_what_was_missed(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab, other = Tab(hub, "orders"), Tab(hub, "orders")
    await tab.at(await sampler.produce_now())
    tab.cut()
    await sampler.produce_now(count=2)
    missed = await sampler.produce_now(count=2)
    await other.at(missed)

    tab.come_back()
    browser = tab.read()

    assert browser.snaps == 1
    assert browser.offsets["orders"][0] == [0, 1, 2, 3, 4]
    assert browser.seq == missed.seq


async def test_two_hundred_cuts_under_load_lose_and_repeat_nothing(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab, keeper = Tab(hub, "orders"), Tab(hub, "orders")
    await until(lambda: tab.read().snaps)
    chance = dice("slow viewers")
    for _ in range(200):
        for _ in range(chance.randint(0, 3)):
            output = await sampler.produce_now("orders", chance.randrange(2), chance.randint(1, 2))
        if chance.random() < 0.5:
            tab.read()
        tab.cut()
        if chance.random() < 0.7:
            await asyncio.sleep(chance.random() * 0.004)
        keeper.read()
        tab.come_back()
    browser = await tab.at(output)

    assert browser.snaps == 1
    assert not browser.holes
    assert not browser.sent
    assert browser.applied == sorted(set(browser.applied)), "no frame twice"
    assert browser.seen["orders"] == sampler.ends["orders", 0] + sampler.ends["orders", 1]
    assert {p: browser.accounts["orders", p] for p in (0, 1)} == {
        p: sampler.ends["orders", p] for p in (0, 1)
    }


async def test_a_cut_that_lasts_beyond_the_window_gives_a_snapshot_and_says_what_is_lost(
    hub: Hub, feed: Feed
) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab, other = Tab(hub, "orders"), Tab(hub, "orders")
    first = await sampler.produce_now()
    await tab.at(first)
    tab.cut()
    for _ in range(40):
        output = await sampler.produce_now(count=20, value=b"x" * 5000)
        other.read()
    for _ in range(1100):
        output = await sampler.produce_now(count=1)
        other.read()
    await other.at(output)

    tab.come_back()
    browser = await tab.at(output)

    assert browser.snaps == 2
    (lost,) = browser.lost
    assert lost[0] == first.seq + 1
    assert browser.state == other.browser.state


async def test_a_web_process_that_starts_now_can_resume_what_another_served(
    shared_valkey: Valkey, hub: Hub, feed: Feed
) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await tab.at(await sampler.produce_now())
    tab.cut()
    output = await sampler.produce_now(count=2)

    second = Hub(Feed(connect(shared_valkey.url)))
    try:
        tab.hub = second
        tab.come_back()
        browser = await tab.at(output)
        assert browser.offsets["orders"][0] == [0, 1, 2]
        assert browser.applied == sorted(set(browser.applied))
    finally:
        await second.close()


async def test_a_new_sampler_means_a_new_epoch_and_a_snapshot_for_everybody(hub: Hub, feed: Feed) -> None:
    old = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await tab.at(await old.produce_now(count=5))
    await feed.release(ADA, old.token)

    new = HandSampler(feed, ADA)
    new.ends["orders", 0] = 5
    await new.start()
    browser = await tab.at(await new.produce_now("orders", 1))

    assert browser.snaps == 2
    assert browser.epoch.endswith(new.token)
    assert browser.lost == []


async def test_a_sampler_that_was_replaced_cannot_speak(feed: Feed) -> None:
    old = await HandSampler(feed, ADA).start()
    await feed.release(ADA, old.token)
    await HandSampler(feed, ADA).start()

    old.produce()
    assert old.stream is not None
    assert not await feed.publish(ADA, old.token, old.stream.flush())
    assert not await feed.renew(ADA, old.token, "x", 0)


async def test_two_samplers_never_hold_one_sandbox(feed: Feed) -> None:
    fences = await asyncio.gather(*(feed.claim(ADA, f"token-{i}") for i in range(20)))
    assert sorted(map(bool, fences)) == [False] * 19 + [True]


async def test_a_quiet_change_of_sampler_is_noticed_by_its_beat(hub: Hub, feed: Feed) -> None:
    old = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await until(lambda: tab.read().snaps)
    await feed.release(ADA, old.token)

    await HandSampler(feed, ADA).start()

    await until(lambda: tab.read().snaps == 2)


async def test_frames_lost_between_redis_and_the_hub_are_read_from_the_ring(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await tab.at(await sampler.produce_now())
    await feed.redis.client_kill_filter(_type="pubsub")
    output = await sampler.produce_now(count=3)

    browser = await tab.at(output)

    assert browser.snaps == 1
    assert browser.offsets["orders"][0] == [0, 1, 2, 3]


@pytest.mark.logs("live.hub.cut")
async def test_after_a_restart_of_redis_viewers_get_a_new_picture() -> None:
    with running_valkey() as valkey:
        hub = Hub(Feed(connect(valkey.url)))
        try:
            feed = Feed(connect(valkey.url))
            sampler = await HandSampler(feed, ADA).start()
            tab = Tab(hub, "orders")
            await tab.at(await sampler.produce_now(count=2))

            valkey.stop()
            await asyncio.sleep(0.3)
            valkey.start()
            again = HandSampler(feed, ADA)
            again.ends["orders", 0] = 2
            await again.start()
            tab.browser.seq = tab.browser.seq
            browser = await tab.at(await again.produce_now("orders", 1))

            assert browser.epoch.endswith(again.token)
            assert browser.state["topics"]["orders"]["partitions"][1]["end"] == 1
            await feed.redis.aclose()
        finally:
            await hub.close()


async def test_a_viewer_that_pauses_gets_nothing_and_then_what_it_missed(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab, other = Tab(hub, "orders"), Tab(hub, "orders")
    await tab.at(await sampler.produce_now())
    tab.viewer.is_paused = True
    output = await sampler.produce_now(count=4)
    await other.at(output)
    assert tab.read().offsets["orders"][0] == [0]

    hub.attach(ADA, tab.viewer, Place(tab.browser.epoch, tab.browser.seq), greet=False)

    assert tab.read().offsets["orders"][0] == [0, 1, 2, 3, 4]


async def test_a_place_that_never_was_gives_a_snapshot(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    output = await sampler.produce_now()
    for place in (Place(output.epoch, 10**9), Place("elsewhere", 3), Place("", 0)):
        tab = Tab(hub)
        tab.cut()
        tab.viewer = Viewer(["orders"])
        hub.attach(ADA, tab.viewer, place)
        assert (await tab.at(output)).snaps == 1


async def test_a_viewer_that_does_not_read_is_closed_and_others_miss_nothing(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    stalled, tab = Viewer(["orders"]), Tab(hub, "orders")
    hub.attach(ADA, stalled, None)
    for _ in range(300):
        output = await sampler.produce_now(count=3, value=b"x" * 5000)
        tab.read()
        await asyncio.sleep(0.002)
    assert stalled.is_degraded or stalled.close_code == SLOW
    assert sum(map(len, stalled.outgoing.take_all())) < 4 * 1024 * 1024

    stalled._owed.appendleft((0, 1, -1000.0))
    stalled.tick(1000.0)
    assert stalled.close_code == SLOW
    assert not (await tab.at(output)).holes


async def test_a_degraded_viewer_gets_less_but_every_count_and_every_value(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab, other = Tab(hub, "orders"), Tab(hub, "orders")
    await until(lambda: tab.read().snaps and other.read().snaps)
    tab.viewer._degrade()
    for _ in range(50):
        sampler.picture.note({"kind": "gap", "sentence": "."})
        output = await sampler.produce_now(count=3)
    await other.at(output)
    frames_held = len(tab.viewer.outgoing.take_all())

    tab.viewer.tick(asyncio.get_running_loop().time())
    browser = tab.read()

    assert frames_held == 0
    assert (browser.seq, browser.state) == (other.browser.seq, other.browser.state)
    assert browser.seen == other.browser.seen
    assert len(browser.events) == 50
    assert not browser.sent
    assert [f["lane"] for f in tab.frames if "s" in f][-4:] == ["skip", "state", "events", "records"]


async def test_a_viewer_that_catches_up_gets_everything_again(hub: Hub, feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    await until(lambda: tab.read().snaps)
    tab.viewer._degrade()
    tab.viewer.tick(0.0)

    assert not tab.viewer.is_degraded
    assert (await tab.at(await sampler.produce_now(count=2))).offsets["orders"][0] == [0, 1]


async def test_every_viewer_hears_a_ping_with_when_the_sampler_was_heard() -> None:
    frame = json.loads(frames.encode(frames.Ping(t=now_ms(), heard=0)))
    assert frame.keys() == {"lane", "t", "heard"}


def pings(tab: Tab) -> list[Any]:
    tab.read()
    return [frame for frame in tab.frames if frame["lane"] == "ping"]


async def test_a_sampler_that_falls_silent_is_told_at_once_and_when_it_is_heard_again(
    hub: Hub, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    sampler = await HandSampler(feed, ADA).start()
    tab = Tab(hub, "orders")
    before = (await tab.at(await sampler.produce_now())).seq
    last_heard = hub.ping(ADA).heard
    assert not pings(tab)

    monkeypatch.setattr("live.channel.QUIET_MS", 200)
    await until(lambda: pings(tab))
    late = Tab(hub, "orders")
    await until(lambda: pings(late))
    assert [ping["heard"] for ping in (*pings(tab), *pings(late))] == [last_heard] * 2
    assert pings(tab)[0]["t"] - last_heard > 200

    output = await sampler.produce_now()
    # Not before it spoke: a tick in between would call the silence itself a sign of life.
    monkeypatch.setattr("live.channel.QUIET_MS", 60_000)
    await tab.at(output)
    await until(lambda: pings(tab)[-1]["heard"] > last_heard)
    assert tab.browser.seq > before


async def test_what_was_never_heard_is_silent_since_one_listens(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.channel.QUIET_MS", 200)
    began = now_ms()
    tab = Tab(hub, "orders")
    await until(lambda: pings(tab))
    (ping,) = pings(tab)
    assert began <= ping["heard"] < ping["t"] - 200


async def test_a_hub_without_viewers_listens_to_no_sandbox(
    hub: Hub, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("live.hub.LINGER_S", 0.5)
    tab = Tab(hub, "orders")
    await until(lambda: hub._subscribed)
    tab.cut()
    await until(lambda: not hub._subscribed)
    assert (await feed.redis.pubsub_channels("live:frames:*")) == []


async def test_changes_are_told_to_the_grader(feed: Feed) -> None:
    sampler = await HandSampler(feed, ADA).start()
    async with feed.listener() as ear:
        await ear.subscribe(f"changed:{ADA}")
        await ear.get_message(timeout=30)
        await sampler.produce_now()
        message = await ear.get_message(timeout=30)
    assert message is not None
    assert json.loads(message["data"]) == {}
