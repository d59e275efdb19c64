"""A real browser behind things that do not let websockets through: the board is live, and says how."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.bench.stage import Stage, Watched
from tests.bench.traffic import Traffic, make_topic
from tests.browser.people import sign_in
from tests.live.proxies import CuttingProxy, HoldingProxy, LumpingProxy, running

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("fallback")]

TOPIC = "behind-a-proxy"
LESSON = "/lessons/first-producer/"


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Stage() as stage:
        make_topic(stage.watched.endpoint, TOPIC)
        yield stage.watched


def port_of(watched: Watched) -> int:
    return int(watched.student.address.rpartition(":")[2])


@contextlib.contextmanager
def page_at(chromium: Browser, address: str) -> Iterator[Page]:
    """The lesson, through the proxy, with the board on our topic."""
    context = chromium.new_context(base_url=address, viewport={"width": 1280, "height": 900})
    page = context.new_page()
    sign_in(page, "ada")
    page.goto(LESSON)
    page.locator(f"#topic option[value={TOPIC}]").wait_for(state="attached", timeout=60_000)
    page.locator("#topic").select_option(TOPIC)
    try:
        yield page
    finally:
        context.close()


def overlap(page: Page, one: str, other: str) -> bool:
    a, b = (page.locator(each).bounding_box() for each in (one, other))
    assert a
    assert b
    return (
        a["x"] < b["x"] + b["width"]
        and b["x"] < a["x"] + a["width"]
        and a["y"] < b["y"] + b["height"]
        and b["y"] < a["y"] + a["height"]
    )


def held(page: Page) -> int:
    """How many records the board says the topic holds."""
    words = page.locator("#topic-fact").inner_text().replace(",", "").split()
    return int(words[words.index("records") - 1]) if "records" in words else 0


def until_more(page: Page, than: int, within_s: float = 60.0) -> int:
    for _ in range(int(within_s * 10)):
        if held(page) > than:
            return held(page)
        page.wait_for_timeout(100)
    raise AssertionError(f"the board stands at {held(page)} records")


def test_behind_a_proxy_that_cuts_websockets_the_board_is_told_by_event_stream(
    chromium: Browser, watched: Watched
) -> None:
    with running(CuttingProxy(port_of(watched))) as address, page_at(chromium, address) as page:
        expect(page.locator("#via")).to_have_text("by event stream", timeout=60_000)
        with Traffic(watched.endpoint, TOPIC):
            first = until_more(page, held(page))
            until_more(page, first)

        assert not overlap(page, "#via", "#topic"), "the badge is beside the topic or below it, not on it"

        page.locator("#via").click()
        said = page.locator("#via-why")
        expect(said).to_contain_text("Your network blocks websockets")
        expect(said).to_contain_text("three times, by something between us")
        expect(page.locator("#when .is-live")).to_have_text("live")


def test_when_the_proxy_lets_websockets_through_again_a_press_brings_them_back(
    chromium: Browser, watched: Watched
) -> None:
    proxy = CuttingProxy(port_of(watched))
    with running(proxy) as address, page_at(chromium, address) as page:
        expect(page.locator("#via")).to_be_visible(timeout=60_000)
        proxy.is_cutting = False

        page.locator("#via").click()
        page.get_by_role("button", name="Try the websocket again").click()

        expect(page.locator("#via")).to_be_hidden(timeout=60_000)
        with Traffic(watched.endpoint, TOPIC):
            until_more(page, held(page))


def test_when_websockets_had_worked_the_board_goes_back_to_one_by_itself_and_nothing_is_lost(
    chromium: Browser, watched: Watched
) -> None:
    proxy = CuttingProxy(port_of(watched), cut_s=15.0)
    with running(proxy) as address, page_at(chromium, address) as page:
        before = held(page)
        proxy.cut_s = 0.2  # the one that is open has lasted by the time it is cut
        with Traffic(watched.endpoint, TOPIC) as traffic:
            expect(page.locator("#via")).to_be_visible(timeout=60_000)
            in_vain = len(websockets(proxy)) + 1
            for _ in range(600):
                if len(websockets(proxy)) >= in_vain:
                    break
                page.wait_for_timeout(100)
            proxy.is_cutting = False

            expect(page.locator("#via")).to_be_hidden(timeout=60_000)
        until_more(page, before + len(traffic.acked) - 1)
        assert held(page) == before + len(traffic.acked)


def websockets(proxy: CuttingProxy) -> list[str]:
    """Those of the board that were asked for."""
    return [line for line in proxy.seen if "/ws/live/" in line]


@pytest.mark.parametrize("proxy", [HoldingProxy, LumpingProxy])
def test_behind_a_proxy_that_holds_streams_back_too_the_board_asks_again_and_again(
    chromium: Browser, watched: Watched, proxy: type[CuttingProxy]
) -> None:
    with running(proxy(port_of(watched))) as address, page_at(chromium, address) as page:
        expect(page.locator("#via")).to_have_text("by polling, every 2 s", timeout=60_000)
        with Traffic(watched.endpoint, TOPIC) as traffic:
            until_more(page, held(page))
        until_more(page, len(traffic.acked) - 1)  # no record is missing, only later
