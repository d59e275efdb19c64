"""The live board while Redis is away: it says so, keeps what it shows, and goes on without a loss."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from sandboxes.backends.base import KafkaEndpoint
from tests.browser import shots_of
from tests.browser.people import sign_in
from tests.browser.reading import assert_reads_well
from tests.browser.workbench import LESSON, start_sandbox
from tests.faults.test_redis import AWAY
from tests.faults.whole_site import WholeSite, make_topic, produce, whole_site
from tests.live.valkey import Valkey

pytestmark = [
    pytest.mark.browser,
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.xdist_group("redis"),
    pytest.mark.logs(*AWAY),
]
TOPIC = "orders"
LOOKS = [(390, "dark"), (1280, "light"), (1920, "dark")]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(Path(tmp_path_factory.mktemp("valkey")))
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="module")
def away_site(valkey: Valkey) -> Iterator[WholeSite]:
    with whole_site(REDIS_URL=valkey.url, WARM_POOL="0") as site:
        site.start()
        yield site


@pytest.fixture
def ada(chromium: Browser, away_site: WholeSite) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=away_site.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    yield context
    context.close()


def with_a_topic(page: Page, site: WholeSite) -> KafkaEndpoint:
    """A sandbox whose topic is on the board, as text."""
    sign_in(page, "ada")
    page.goto(LESSON)
    start_sandbox(page)
    kafka = site.endpoint(site.ask("sandbox_of", "ada"))
    make_topic(kafka, TOPIC)
    produce(kafka, TOPIC, ["before"])
    watch_as_text(page)
    return kafka


def watch_as_text(page: Page) -> None:
    page.goto("/board/")
    page.locator(f"#topic option[value={TOPIC}]").wait_for(state="attached", timeout=60_000)
    page.locator("#topic").select_option(TOPIC)
    page.locator(".pane.lanes .twin").click()
    shows(page, "before")


def shows(page: Page, value: str) -> None:
    expect(page.locator(".pane.lanes .table")).to_contain_text(value, timeout=120_000)


def says(page: Page, word: str) -> None:
    expect(page.locator("#when .is-live")).to_have_text(word, timeout=120_000)


def test_a_board_without_redis_says_so_and_then_goes_on(
    ada: BrowserContext, away_site: WholeSite, valkey: Valkey
) -> None:
    page = ada.new_page()
    kafka = with_a_topic(page, away_site)
    says(page, "live")

    valkey.stop()
    produce(kafka, TOPIC, ["during"])
    says(page, "not live")
    expect(page.locator("#stale")).to_have_text(
        re.compile(r"heard nothing of your sandbox since \d\d:\d\d:\d\d; what you see is from then")
    )
    shows(page, "before")
    everything_still_reads_well(ada)

    valkey.start()
    shows(page, "during")
    says(page, "live")
    expect(page.locator("#stale")).to_be_hidden()
    produce(kafka, TOPIC, ["after"])
    shows(page, "after")
    expect(page.locator("#topic-fact")).to_have_text(re.compile("^3 records, "))


def everything_still_reads_well(ada: BrowserContext) -> None:
    """Also for those who come while it is away: what this process knew is shown, and not as live."""
    for width, theme in LOOKS:
        page = ada.new_page()
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        for name, address in (("home", "/"), ("lesson", LESSON), ("board", "/board/")):
            page.goto(address)
            expect(page.locator("h1")).to_have_count(1)
            if name == "board":
                says(page, "not live")
                expect(page.locator("#stale")).to_be_visible()
            assert_reads_well(page, f"{name} at {width}")
            shots_of.take(page, f"redis-away-{name}")
        page.close()
