"""The live picture without a websocket, from a real web process: the same frames, the same rules."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from typing import Any

import pytest
from redis import Redis

from sandboxes.limits import POLL
from tests.live import http
from tests.live.browser import Browser
from tests.live.byhand import Sampler
from tests.live.http import Stream, poll, say, until
from tests.live.proxies import CuttingProxy, HoldingProxy, running
from tests.live.served import ROOT, Served, served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    with served(LIVE_TABS_PER_USER="45") as site:
        yield site


@pytest.fixture
def sampler(site: Served) -> Iterator[Sampler]:
    with Sampler(site.valkey.url, site.sandbox.hex) as sampler:
        yield sampler


def picture(stream: Stream, sampler: Sampler) -> dict[str, Any]:
    """The first snapshot of this sampler's: one of the last test's may still be shown."""
    while (snap := stream.frame("snap"))["e"] != sampler.place["epoch"]:
        continue
    return snap


def manage(site: Served, code: str) -> None:
    """Run a few lines inside the installation."""
    subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", code], cwd=ROOT, env=site.env, check=True
    )


# -- An event stream -----------------------------------------------------------------------------------------


def test_a_stream_brings_the_picture_and_what_changes_at_once(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        assert stream.answer.getheader("Content-Type") == "text/event-stream"
        assert picture(stream, sampler)["topics"].keys() == {"orders", "payments"}

        sampler.produce()

        assert stream.frame("records")["records"][0]["o"] == 0
        assert stream.last_id == "{epoch}:{seq}".format(**sampler.place)


def test_a_stream_is_not_compressed_and_asks_proxies_not_to_hold_it(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        headers = dict(stream.answer.getheaders())
    assert headers["content-encoding"] == "identity"
    assert "no-transform" in headers["cache-control"]
    assert headers["x-accel-buffering"] == "no"


def test_a_stream_that_was_cut_goes_on_where_it_was(site: Served, sampler: Sampler) -> None:
    browser = Browser()
    with Stream(site) as stream:
        browser.take(picture(stream, sampler))
        sampler.produce(3)
        browser.take(stream.frame("state"))
        browser.take(stream.frame("records"))
    sampler.produce(2)

    by_header = Stream(site, last_event_id=stream.last_id)
    by_address = Stream(site, asked={"epoch": browser.epoch, "seq": str(browser.seq)})

    for again in (by_header, by_address):
        with again:
            assert again.frame("hello")["resumed"] is True
            assert again.frame("records")["records"][0]["o"] == 3


def test_a_stream_outside_the_window_says_what_is_lost_and_starts_anew(
    site: Served, sampler: Sampler
) -> None:
    sampler.produce()
    with Stream(site, asked={"epoch": "another-life", "seq": "1"}) as stream:
        assert stream.frame("hello")["resumed"] is False
        assert stream.frame("snap")["s"] >= 0


def test_nonsense_in_the_address_is_refused(site: Served) -> None:
    long = "9" * 5000
    for asked in (
        {"epoch": "1", "seq": "-1"},
        {"epoch": "1", "seq": "x"},
        {"epoch": "1", "seq": long},
        {"view": "x" * 300},
    ):
        with Stream(site, asked=asked) as stream:
            assert stream.status == 400


def test_every_three_seconds_a_quiet_stream_says_what_time_it_is(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        times = [stream.frame("ping")["t"] for _ in range(2)]
    assert abs(times[1] / 1000 - time.time()) < 1
    assert 2_000 < times[1] - times[0] < 4_500


def test_control_events_come_on_a_stream(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        assert stream.frame("control")["kind"] == "missed", "from here on it is listened for"
        announce(site, "verdict", lab="5.1")
        assert stream.frame("control")["data"] == {"lab": "5.1"}


def announce(site: Served, kind: str, **data: str) -> None:
    arguments = f"UUID('{site.sandbox}'), '{kind}', **{data}"
    manage(site, f"from uuid import UUID; from sandboxes.announce import announce; announce({arguments})")


def test_operations_by_post_change_what_a_stream_brings(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        name = stream.next("stream")[2]
        stream.frame("snap")

        assert say(site, name, op="view", topics=["orders", "payments"]) == 202
        while stream.frame("snap")["records"].keys() != {"orders", "payments"}:
            """One with the topics of before may be on its way."""

        assert say(site, name, op="pause") == 202
        time.sleep(0.3)
        sampler.produce(topic="payments")
        place: dict[str, Any] = dict(sampler.place)
        assert say(site, name, op="resume", **place) == 202
        sampler.produce(topic="orders")
        assert stream.frame("records")["topic"] == "orders", "what came while it was paused was not sent"


def test_an_operation_that_no_page_of_ours_says_ends_the_stream(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        name = stream.next("stream")[2]
        assert say(site, name, op="hello", view=[], resume=None) == 202
        assert stream.next("close")[2] == "4400"


def test_an_operation_of_another_session_changes_nothing_though_it_may_watch_too(
    site: Served, sampler: Sampler
) -> None:
    with Stream(site) as stream:
        name = stream.next("stream")[2]
        stream.frame("snap")
        assert say(site, name, who="grace", op="pause") == 202
        assert say(site, name, op="view", topics=["orders", "payments"]) == 202
        while stream.frame("snap")["records"].keys() != {"orders", "payments"}:
            """One with the topics of before may be on its way."""
        sampler.produce(topic="payments")
        assert stream.frame("records")["topic"] == "payments", "grace's pause was not taken"


@pytest.mark.parametrize(
    "op",
    [{"op": "drop"}, {"op": "ack", "seq": "1"}, {"op": "ack", "seq": 1, "x": "x" * 5000}, {}, "pause", [[]]],
)
def test_what_is_no_operation_or_too_long_is_refused(site: Served, op: Any) -> None:
    value, cookie = http.token(site)
    headers = {"Content-Type": "application/json", "X-CSRFToken": value, "Origin": site.address}
    headers["Cookie"] = f"{site.cookies['ada']}; {cookie}"
    body = json.dumps({"stream": "x", "op": op})
    assert http.ask(site, "POST", f"/live/{site.sandbox}/ops/", body=body, **headers)[0] == 400


def test_an_operation_without_the_pages_token_is_refused(site: Served) -> None:
    body = json.dumps({"stream": "x", "op": {"op": "pause"}})
    path = f"/live/{site.sandbox}/ops/"
    assert http.ask(site, "POST", path, body=body, **{"Content-Type": "application/json"})[0] == 403


def test_a_stream_that_acknowledges_nothing_is_closed_to_come_again(site: Served, sampler: Sampler) -> None:
    with Stream(site) as stream:
        stream.frame("snap")
        sampler.produce()
        began = time.monotonic()
        assert stream.next("close")[2] == "4408"
        assert 10 < time.monotonic() - began < 25


def test_signing_out_ends_a_stream_within_five_seconds(site: Served, sampler: Sampler) -> None:
    with Stream(site, "root") as stream:
        stream.frame("snap")
        key = site.cookies["root"].partition("=")[2]
        ended = f"Session.objects.filter(pk='{key}').delete()"
        manage(site, f"from django.contrib.sessions.models import Session; {ended}")
        began = time.monotonic()
        assert stream.next("close")[2] == "4401"
        assert time.monotonic() - began < 5.5


def test_so_many_streams_per_person_and_none_of_them_holds_a_thread(site: Served, sampler: Sampler) -> None:
    streams = [Stream(site) for _ in range(45)]  # the site has 32 threads for requests
    for stream in streams:
        stream.frame("snap")
    assert http.ask(site, "GET", "/healthz/")[0] == 200

    with Stream(site) as one_more:
        assert one_more.next("close")[2] == "4429"
    for stream in streams:
        stream.close()

    until(lambda: is_open(site))


def is_open(site: Served) -> bool:
    with Stream(site) as stream:
        return next(stream.events())[0] == "stream"


def test_a_sandbox_is_let_go_soon_after_its_last_stream_was_dropped(site: Served, sampler: Sampler) -> None:
    with Redis.from_url(site.valkey.url) as redis:
        key = f"live:watch:{site.sandbox.hex}"
        with Stream(site) as stream:
            stream.frame("snap")
            assert redis.exists(key)
        assert until(lambda: not redis.exists(key)) < 10


# -- Asking again and again ----------------------------------------------------------------------------------


def test_polls_bring_every_frame_once(site: Served, sampler: Sampler) -> None:
    browser = Browser()
    for frame in poll(site):
        browser.take(frame)
    for count in (1, 4, 2):
        sampler.produce(count)
        for frame in poll(site, epoch=browser.epoch, seq=browser.seq):
            browser.take(frame)
    assert browser.offsets["orders"][0] == list(range(7))
    assert browser.snaps == 1
    assert not browser.holes
    assert {"epoch": browser.epoch, "seq": browser.seq} == sampler.place


def test_a_poll_outside_the_window_is_answered_with_a_snapshot(site: Served, sampler: Sampler) -> None:
    sampler.produce()
    lanes = [frame["lane"] for frame in poll(site, epoch="another-life", seq=3)]
    assert lanes[:2] == ["hello", "snap"]


def test_polls_bring_control_events_or_say_that_some_may_be_missing(site: Served, sampler: Sampler) -> None:
    def control(told: int) -> tuple[list[str], int]:
        frames = poll(site, told=told)
        return [frame["kind"] for frame in frames if frame["lane"] == "control"], frames[-1]["t"]

    until(lambda: control(0)[0] == ["missed"])  # a page that has just come may be older than we listen
    kinds, told = control(0)
    assert kinds == ["missed"]
    assert control(told)[0] == [], "and is told so once"
    announce_quickly(site, "verdict")
    kinds, later = control(told)
    assert kinds == ["verdict"]
    assert control(later)[0] == []
    assert control(1)[0] == ["missed"], "nobody listened then"


def announce_quickly(site: Served, kind: str) -> None:
    """Without the seconds that a program of its own takes to start: the sandbox would be let go meanwhile."""
    announcing = threading.Thread(target=announce, args=(site, kind))
    announcing.start()
    while announcing.is_alive():
        poll(site)
        announcing.join(0.5)


def test_asking_keeps_a_sandbox_watched_and_stopping_lets_it_go(site: Served, sampler: Sampler) -> None:
    with Redis.from_url(site.valkey.url) as redis:
        key = f"live:watch:{site.sandbox.hex}"
        for _ in range(3):
            poll(site)
            time.sleep(2)
            assert redis.exists(key)
        assert until(lambda: not redis.exists(key)) < 10


def test_whoever_asks_without_a_pause_is_told_when_to_come_back_and_then_served_again(
    site: Served, sampler: Sampler
) -> None:
    path = f"/live/{site.sandbox}/poll/?view=orders"
    refused: list[tuple[int, str, str]] = []
    ends = time.monotonic() + 60
    with ThreadPoolExecutor(8) as many:
        while not refused:
            assert time.monotonic() < ends, "never refused"
            answers = list(many.map(lambda _: answered(site, path), range(POLL.times)))
            refused = [answer for answer in answers if answer[0] == 429]
            assert {status for status, _, _ in answers} <= {200, 429}

    _, wait, sentence = refused[-1]
    assert 1 <= int(wait) <= POLL.window_s + 1
    assert (
        sentence == f"You may ask for the live picture {POLL.times} times in 10 s. Try again in {wait} s.\n"
    )
    assert http.ask(site, "GET", path, "grace")[0] == 200, "others are not held up by it"

    time.sleep(int(wait))
    assert http.ask(site, "GET", path)[0] == 200


def answered(site: Served, path: str) -> tuple[int, str, str]:
    """Status, Retry-After, and what was said."""
    connection = HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.request("GET", path, headers={"Cookie": site.cookies["ada"]})
    answer = connection.getresponse()
    told = answer.status, answer.getheader("Retry-After", ""), answer.read().decode()
    connection.close()
    return told


# -- Things in between ---------------------------------------------------------------------------------------


def test_a_proxy_that_cuts_websockets_lets_a_stream_through_at_once(site: Served, sampler: Sampler) -> None:
    with running(CuttingProxy(site.port)) as address, Stream(site, port=port_of(address)) as stream:
        stream.frame("snap")
        began = time.monotonic()
        sampler.produce()
        assert stream.frame("records")["records"]
        assert time.monotonic() - began < 1


def test_a_proxy_that_holds_streams_back_brings_nothing_which_a_page_can_tell(
    site: Served, sampler: Sampler
) -> None:
    with running(HoldingProxy(site.port)) as address, pytest.raises(TimeoutError):
        Stream(site, port=port_of(address))


def port_of(address: str) -> int:
    return int(address.rpartition(":")[2])
