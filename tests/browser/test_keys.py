"""The whole way with keys alone: sign in, start, write a file, run it, read the board, check, delete it."""

import re

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.keys import FOCUS_IS_SEEN, press, tab_to
from tests.browser.people import add_user
from tests.browser.site import RunningSite
from tests.browser.workbench import READY_MS

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

PROGRAM = """\
from confluent_kafka import Producer
settings = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
producer = Producer(settings)
producer.produce("task-events", key="T-1", value="written without a mouse")
print("unanswered:", producer.flush(30))
"""


def test_everything_a_student_does_can_be_done_with_keys(context: BrowserContext, site: RunningSite) -> None:
    password = add_user(site, "barbara")
    page = context.new_page()
    page.goto("/accounts/login/")
    tab_to(page, "#id_login")
    page.keyboard.type("barbara")
    tab_to(page, "#id_password")
    page.keyboard.type(password)
    page.keyboard.press("Enter")
    page.wait_for_url(site.address + "/")
    press(page, "a.stop[href*=first-producer]")
    page.wait_for_url("**/lessons/first-producer/**")

    expect(page.locator("#sandbox-panel:not([aria-busy])")).to_have_count(1)
    press(page, "#panel-slot [data-do=start]")
    expect(page.locator("#chip-state")).to_have_text("ready", timeout=READY_MS)
    expect(page.locator("#live .b-head > h2")).to_be_focused()
    sleep_and_wake(page)
    begin_the_lab(page)
    write_and_run(page)
    read_the_board(page)
    check_a_task(page)
    delete_the_file(page)


def sleep_and_wake(page: Page) -> None:
    """Each answer leads the keyboard on: to what the panel says, and to the board once it is there."""
    press(page, "#chip")
    press(page, "#sandbox-stop")
    expect(page.locator("#chip-state")).to_have_text("asleep", timeout=READY_MS)
    expect(page.locator("#panel-slot h2")).to_be_focused()
    press(page, "#wake")
    expect(page.locator("#chip-state")).to_have_text("ready", timeout=READY_MS)
    expect(page.locator("#live .b-head > h2")).to_be_focused()
    assert page.evaluate(FOCUS_IS_SEEN)


def begin_the_lab(page: Page) -> None:
    press(page, "#lab-first-events .lab-acts .solid")
    expect(page.locator("#lab-first-events")).to_have_attribute("data-state", "open", timeout=READY_MS)


def write_and_run(page: Page) -> None:
    press(page, "#w-toggle")
    expect(page.locator(".cm-content")).to_contain_text("Announce every task")
    press(page, "#file-new")
    expect(page.locator("#file-name")).to_be_focused()
    assert page.locator("#file-name").input_value() == "first-events/new.py"
    page.keyboard.press("Control+a")
    page.keyboard.type("first-events/producer.py")
    page.keyboard.press("Enter")
    expect(page.locator(".file-ask .err")).to_have_text(re.compile("already"))
    page.keyboard.press("Control+a")
    page.keyboard.type("first-events/by_keys.py")
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="by_keys.py")).to_have_attribute("aria-selected", "true")
    expect(page.locator(".cm-content")).to_be_focused()

    page.keyboard.insert_text(PROGRAM)
    assert page.evaluate(FOCUS_IS_SEEN)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".outs")).to_contain_text("unanswered: 0", timeout=READY_MS)
    if page.locator(".cm-tooltip-autocomplete").count():
        page.keyboard.press("Escape")  # the first one closes what the editor proposes
    page.keyboard.press("Escape")
    page.keyboard.press("Tab")
    expect(page.locator(".cm-content")).not_to_be_focused()


def read_the_board(page: Page) -> None:
    press(page, "#w-toggle")
    tab_to(page, "[data-draw=lanes] .scroll")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.locator("#lens-record .place")).to_be_visible()
    scroll_the_board_as_text(page)


def scroll_the_board_as_text(page: Page) -> None:
    was = page.viewport_size
    assert was
    page.set_viewport_size({"width": was["width"], "height": 400})  # the table is longer than its place now
    press(page, ".pane.lanes .twin")
    table = ".pane.lanes .table"
    expect(page.locator(f"{table} td").first).to_be_visible()
    tab_to(page, table)
    page.keyboard.press("ArrowDown")
    scrolled = "(table) => document.querySelector(table).scrollTop > 0"
    page.wait_for_function(scrolled, arg=table, timeout=READY_MS)
    press(page, ".pane.lanes .twin")
    expect(page.locator(table)).to_be_hidden()
    page.set_viewport_size(was)


def check_a_task(page: Page) -> None:
    check = "#lab-first-events .task .body .acts button"
    with page.expect_response(re.compile("/check/$")) as answer:
        press(page, check)
    assert answer.value.ok


def delete_the_file(page: Page) -> None:
    press(page, "#w-toggle")
    press(page, "#file-delete")
    keep = page.get_by_role("button", name="Keep it")
    expect(page.get_by_text("Delete first-events/by_keys.py from your sandbox?")).to_be_visible()
    expect(keep).to_be_focused()
    page.keyboard.press("Escape")
    expect(keep).to_be_hidden()
    expect(page.locator("#file-delete")).to_be_focused()

    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    expect(page.get_by_role("button", name="Delete it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("tab", name="by_keys.py")).to_have_count(0)
    expect(page.locator(".file-ask")).to_be_hidden()
    expect(page.get_by_role("tab", selected=True, name="producer.py")).to_be_visible()
