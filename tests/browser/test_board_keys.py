"""The board, its deck and the workspace with keys alone: order, Escape, and where the focus goes back to."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.keys import FOCUS_IS_SEEN, press, tab_to
from tests.browser.people import newcomer
from tests.browser.site import RunningSite
from tests.browser.workbench import LESSON, begin_lab, open_workspace, run, start_sandbox, type_program

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

TOPIC = "long-ones"
# Twelve records, each longer than a cell of the text.
PROGRAM = """\
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
admin = AdminClient(settings)
admin.create_topics([NewTopic("long-ones", num_partitions=1)])["long-ones"].result(30)
producer = Producer(settings)
for number in range(12):
    producer.produce("long-ones", key=f"key-{number}", value=f"{number:02d} " + "long " * 60 + "its end")
print("unanswered:", producer.flush(30))
"""


@pytest.fixture(scope="module")
def student(chromium: Browser, site: RunningSite) -> Iterator[BrowserContext]:
    context = chromium.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = newcomer(context, site, "karen")
    page.goto(LESSON)
    start_sandbox(page)
    begin_lab(page, "first-events")
    open_workspace(page)
    expect(page.locator(".cm-content")).to_contain_text("Announce every task")
    type_program(page, PROGRAM)
    run(page, says="unanswered: 0")
    page.locator("#w-toggle").click()
    page.close()
    yield context
    context.close()


@pytest.fixture(params=[390, 1280])
def page(student: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The board beside the lesson, or as a sheet over it, on our topic."""
    page = student.new_page()
    page.set_viewport_size({"width": request.param, "height": 900})
    page.goto(LESSON)
    expect(page.locator(".stage[data-mode=board]:not(.no-picture)")).to_have_count(1, timeout=60_000)
    if request.param < 1100:
        press(page, "#mini")
    page.locator("#topic").select_option(TOPIC)
    expect(page.locator("#topic-fact")).to_have_text(re.compile("^12 records"))
    yield page
    page.close()


def is_seen(page: Page) -> bool:
    return bool(page.evaluate(FOCUS_IS_SEEN))


def is_a_sheet(page: Page) -> bool:
    return page.locator("body.under-sheet").count() == 1


def place(page: Page) -> str:
    """Which record has the focus."""
    return str(page.evaluate("document.activeElement.dataset.place ?? ''"))


def test_the_records_are_one_stop_and_the_way_back_leads_to_the_one_that_was_opened(page: Page) -> None:
    was_a_sheet = is_a_sheet(page)
    press(page, "#t-record")
    tab_to(page, ".stream button")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    third = place(page)
    assert third
    assert is_seen(page)
    page.keyboard.press("Tab")
    assert not page.evaluate("document.activeElement.matches('.stream button')"), (
        "the rest is not walked through"
    )

    page.keyboard.press("Shift+Tab")
    assert place(page) == third
    page.keyboard.press("Enter")
    expect(page.locator("#lens-record .back")).to_be_focused()
    expect(page.locator("#lens-record .value")).to_contain_text("its end")
    page.keyboard.press("Escape")
    expect(page.locator(f".stream [data-place='{third}']")).to_be_focused()
    assert is_a_sheet(page) == was_a_sheet, "only the record was closed"


def test_what_the_text_cuts_is_marked_and_read_in_full_with_keys(page: Page) -> None:
    press(page, ".pane.lanes .twin")
    more = ".pane.lanes .table button.more"
    expect(page.locator(more).first).to_have_text(re.compile(r"^\d+ bytes more$"))
    expect(page.locator(".pane.lanes .table")).to_contain_text("lo… ")
    expect(page.locator(".pane.lanes .table")).not_to_contain_text("its end")

    tab_to(page, more)
    asked = place(page)
    page.keyboard.press("Enter")
    expect(page.locator("#lens-record .back")).to_be_focused()
    assert is_seen(page)
    expect(page.locator("#lens-record .value")).to_contain_text("its end")
    page.keyboard.press("Enter")
    expect(page.locator(f"{more}[data-place='{asked}']")).to_be_focused()
    press(page, ".pane.lanes .twin")


def test_the_deck_closes_with_escape_and_nothing_below_it_does(page: Page) -> None:
    was_a_sheet = is_a_sheet(page)
    page.locator("#break").focus()
    page.keyboard.press("Enter")
    expect(page.locator("dialog[open]")).to_be_visible()
    assert page.evaluate("document.activeElement.closest('dialog') !== null")
    tab_to(page, "dialog select")
    page.keyboard.press("Escape")
    expect(page.locator("dialog[open]")).to_have_count(0)
    expect(page.locator("#break")).to_be_focused()
    assert is_a_sheet(page) == was_a_sheet

    if was_a_sheet:
        page.keyboard.press("Escape")
        expect(page.locator("body.under-sheet")).to_have_count(0)
        expect(page.locator("#mini")).to_be_focused()


def test_a_record_is_read_over_an_open_workspace_and_its_room_given_back(student: BrowserContext) -> None:
    page = student.new_page()
    page.goto(LESSON)
    expect(page.locator(".stage[data-mode=board]:not(.no-picture)")).to_have_count(1, timeout=60_000)
    page.locator("#topic").select_option(TOPIC)
    press(page, "#w-toggle")
    expect(page.locator(".cm-content")).to_be_visible()
    page.locator("[data-draw=lanes] .scroll").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("#lens-record .place")).to_be_in_viewport()
    expect(page.locator(".cm-content")).to_be_in_viewport()

    tab_to(page, "#lens-record .back")
    page.keyboard.press("Escape")
    expect(page.locator("#lens-record")).to_be_hidden()
    page.locator("#w-toggle").click()
    page.close()


def test_a_new_file_lands_beside_the_open_one_and_tabs_of_one_name_say_their_folder(page: Page) -> None:
    was_a_sheet = is_a_sheet(page)
    press(page, "#w-toggle")
    expect(page.locator(".cm-content")).to_be_visible()
    folder = f"first-events/deep-{page.viewport_size['width'] if page.viewport_size else 0}"
    make(page, f"{folder}/one.py")
    page.locator("#file-new").focus()
    page.keyboard.press("Enter")
    assert page.locator("#file-name").input_value() == f"{folder}/new.py"
    page.keyboard.press("Escape")
    expect(page.locator("#file-new")).to_be_focused()
    assert is_a_sheet(page) == was_a_sheet

    make(page, "producer.py", becomes=f"{folder}/producer.py")
    strip = page.locator(".file-tabs")
    if strip.evaluate("node => node.scrollLeft > 0"):
        expect(strip).to_have_class(re.compile(r"\bmoved\b"))
    tab = page.locator(f".file-tabs [data-file='{folder}/producer.py']")
    expect(tab).to_have_attribute("aria-selected", "true")
    expect(tab).to_have_text(f"{folder.rpartition('/')[2]}/producer.py")
    expect(page.locator(".file-tabs [data-file='first-events/producer.py']")).to_have_text(
        "first-events/producer.py"
    )
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-content")).not_to_be_focused()
    assert is_a_sheet(page) == was_a_sheet, "in the editor Escape lets Tab leave"
    for name in ("producer.py", "one.py"):
        remove(page, f"{folder}/{name}")


def make(page: Page, name: str, *, becomes: str = "") -> None:
    """A new, empty file of this name, with keys."""
    page.locator("#file-new").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#file-name")).to_be_focused()
    page.keyboard.press("Control+a")
    page.keyboard.type(name)
    if becomes:
        said = f"It goes into {becomes.rpartition('/')[0]}, beside the open file."
        expect(page.locator(".file-ask .what")).to_have_text(said)
    page.keyboard.press("Enter")
    expect(page.locator(f".file-tabs [data-file='{becomes or name}']")).to_have_attribute(
        "aria-selected", "true"
    )
    expect(page.locator(".cm-content")).to_be_focused()


def remove(page: Page, path: str) -> None:
    if page.locator(f".file-tabs [data-file='{path}']").count():
        page.locator(f".file-tabs [data-file='{path}']").click()
    else:
        page.locator("#more-files").select_option(path)
    expect(page.locator("#file-delete")).to_have_attribute("aria-label", f"Delete {path}")
    page.locator("#file-delete").click()
    page.get_by_role("button", name="Delete it").click()
    expect(page.locator(f".file-tabs [data-file='{path}']")).to_have_count(0)
