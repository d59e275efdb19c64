"""The live board, its deck and the workspace while a cluster works: axe finds nothing, nothing overflows."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser import shots_of
from tests.browser.people import newcomer
from tests.browser.reading import assert_reads_well
from tests.browser.site import RunningSite
from tests.browser.workbench import LESSON, begin_lab, open_workspace, run, start_sandbox, type_program

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

# Narrow and dark, wide and light; all four when pictures are wanted.
LOOKS = [(390, "dark"), (1280, "light"), *([(390, "light"), (1280, "dark")] if shots_of.FOLDER else [])]
# Until it is stopped, so that records come and a program runs whenever one looks.
PROGRAM = """\
import time
from confluent_kafka import Producer
settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
producer = Producer(settings)
number = 0
while True:
    number += 1
    producer.produce("task-events", key=f"T-{number % 7}", value="one more")
    producer.flush(30)
    print("sent", number, flush=True)
    time.sleep(1)
"""


@pytest.fixture(scope="module")
def at_work(chromium: Browser, site: RunningSite) -> Iterator[BrowserContext]:
    """A student whose lab is under way, and whose program runs and writes a record each second."""
    context = chromium.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = newcomer(context, site, "hedy")
    page.goto(LESSON)
    start_sandbox(page)
    begin_lab(page, "first-events")
    open_workspace(page)
    expect(page.locator(".cm-content")).to_contain_text("Announce every task")
    type_program(page, PROGRAM)
    run(page, says="sent 1")
    page.close()
    yield context
    context.close()


@pytest.fixture(params=LOOKS, ids=lambda look: f"{look[0]}-{look[1]}")
def page(at_work: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    width, theme = request.param
    page = at_work.new_page()
    page.set_viewport_size({"width": width, "height": 900})
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    yield page
    page.close()


def show_board(page: Page) -> None:
    """The board while records come; on a narrow screen it is a sheet over the text."""
    expect(page.locator(".stage[data-mode=board]:not(.no-picture)")).to_have_count(1, timeout=60_000)
    if page.locator("#mini").is_visible():
        page.locator("#mini").click()
    page.locator("#topic").select_option("task-events")
    fact = page.locator("#topic-fact")
    expect(fact).to_have_text(re.compile(r"^[1-9][\d,]* records?"))
    expect(fact).not_to_have_text(fact.text_content() or "")


def pictured(page: Page, name: str) -> None:
    assert_reads_well(page, name)
    shots_of.take(page, f"live-{name}")


def test_every_picture_of_a_board_at_work_reads_well(page: Page) -> None:
    page.goto(LESSON)
    show_board(page)

    for lens in ("group", "lag", "events", "record"):
        page.locator(f"#t-{lens}").click()
        expect(page.locator(f"#lens-{lens}")).to_be_visible()
        pictured(page, lens)

    page.locator(".stream button").first.click()
    expect(page.locator("#lens-record .place")).to_be_visible()
    pictured(page, "one-record")

    page.locator(".lanes .twin").click()
    expect(page.locator(".pane.lanes .table td").first).to_be_visible()
    pictured(page, "as-text")
    page.locator(".lanes .twin").click()


@pytest.mark.parametrize("where", [LESSON, "/board/"], ids=["lesson", "board"])
def test_the_deck_reads_well_over_a_board_at_work(page: Page, where: str) -> None:
    page.goto(where)
    show_board(page)
    page.locator("#break").click()
    expect(page.locator("dialog[open]")).to_be_visible()

    pictured(page, f"deck{'-whole' if where != LESSON else ''}")


def test_the_whole_board_reads_well_while_records_come(page: Page) -> None:
    page.goto("/board/")
    show_board(page)

    pictured(page, "whole")


def test_the_workspace_reads_well_while_a_program_runs(page: Page) -> None:
    page.goto(LESSON)
    show_board(page)
    open_workspace(page)
    page.locator(".cm-content").focus()
    expect(page.locator(".outs").get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(page.locator(".outs")).to_contain_text("sent")
    pictured(page, "editor")

    page.locator("#file-new").click()
    expect(page.locator("#file-name")).to_be_focused()
    pictured(page, "new-file")
    page.keyboard.press("Escape")
    page.locator("#file-delete").click()
    expect(page.get_by_role("button", name="Keep it")).to_be_visible()
    pictured(page, "delete-file")
