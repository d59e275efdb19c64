"""What the page says of a program beside what the program printed."""

import re

import pytest
from playwright.sync_api import BrowserContext, expect

from tests.browser.people import add_user, sign_in
from tests.browser.site import RunningSite
from tests.browser.workbench import (
    LESSON,
    begin_lab,
    open_file,
    open_workspace,
    run,
    start_sandbox,
    type_program,
)

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

ASKS = 'print("hello", input("Your name: "))\n'


def test_a_program_that_waits_for_a_keyboard_is_told_that_there_is_none(
    site: RunningSite, context: BrowserContext
) -> None:
    page = context.new_page()
    sign_in(page, "konrad", add_user(site, "konrad"))
    page.goto(LESSON)
    start_sandbox(page)
    begin_lab(page, "first-events")
    open_workspace(page)
    open_file(page, "producer.py", holds="Announce every task")
    type_program(page, ASKS)
    run(page, says="Programs here have no keyboard")

    for _ in range(2):  # and again when the page was left and its output comes once more
        lines = page.locator(".outs .lines > div")
        expect(lines.filter(has_text="no keyboard")).to_have_count(1)
        expect(lines.last).to_have_class("ours")
        expect(lines.last).to_have_text(
            re.compile(r"^Programs here .* in place of input\(\), and run it again\.$")
        )
        # What it printed stands above as it printed it.
        expect(lines.first).to_have_text("Your name: Traceback (most recent call last):")
        expect(lines.filter(has_text=re.compile(r"^EOFError: EOF when reading a line$"))).to_have_count(1)
        page.reload()
        open_workspace(page)
