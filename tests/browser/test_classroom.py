"""A student's verdict in the instructor's room, with the whole site: pushed, and without a reload."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from tests.browser.people import newcomer, sign_in
from tests.browser.site import RunningSite
from tests.browser.workbench import begin_lab, open_file, open_workspace, start_sandbox, type_program

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

LAB = Path(settings.BASE_DIR, "lessons/content/05-first-producer/labs/first-events")
MARK = "globalThis.neverReloaded = true"


@pytest.fixture
def student(chromium: Browser, site: RunningSite) -> Iterator[Page]:
    """Somebody new in the demo class."""
    context = chromium.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = newcomer(context, site, "katherine")
    site.manage("enrol", "katherine", "Demo class")
    yield page
    context.close()


def test_a_verdict_of_a_student_shows_in_the_instructors_page_without_a_reload(
    student: Page, chromium: Browser, site: RunningSite
) -> None:
    class_page = chromium.new_context(
        base_url=site.address, viewport={"width": 1280, "height": 900}
    ).new_page()
    sign_in(class_page, "grace")
    class_page.goto("/class/")
    expect(class_page.locator(".is-live")).to_be_visible()
    row = class_page.get_by_role("row", name=re.compile("katherine"))
    link = row.get_by_role("link", name="katherine")
    link.focus()
    class_page.evaluate(MARK)

    student.goto("/lessons/first-producer/")
    start_sandbox(student)
    expect(row).to_contain_text("in use")
    begin_lab(student, "first-events")
    expect(row).to_contain_text("5.1.1")
    run_program(student, LAB / "mistakes/no-flush/producer.py")

    cell = row.locator("td.f")
    expect(cell).to_have_text(re.compile(r"failed \d times?, NOTHING_ARRIVED"), timeout=60_000)
    expect(class_page.locator("#trouble")).to_contain_text("5.1.1 Get all fifty into the log")
    expect(class_page.locator("#feed")).to_contain_text("katherine failed 5.1.1")

    run_program(student, LAB / "solutions/reference/producer.py")
    expect(row.locator("td.p")).to_have_count(4, timeout=60_000)
    expect(class_page.locator("#trouble")).to_contain_text("Nothing holds anybody up")
    assert class_page.evaluate("globalThis.neverReloaded") is True
    expect(link).to_be_focused()
    one_student(class_page, student)
    assert ["katherine", "katherine"] in [row[:2] for row in downloaded_marks(class_page)]
    class_page.context.close()


def downloaded_marks(page: Page) -> list[list[str]]:
    """The rows that a browser has written into the file."""
    page.goto("/class/")
    page.get_by_role("link", name="Gradebook").click()
    with page.expect_download() as waited:
        page.get_by_role("link", name="Download CSV").click()
    return list(csv.reader(waited.value.path().read_text("utf-8-sig").splitlines()))


def run_program(page: Page, program: Path) -> None:
    open_workspace(page)
    open_file(page, "producer.py", holds="main()")
    type_program(page, program.read_text())
    page.locator(".run").click()


def one_student(page: Page, student: Page) -> None:
    """On the student's own page the evidence stays open, and what the sandbox does is told as it happens."""
    page.get_by_role("link", name="katherine").first.click()
    expect(page.locator(".is-live")).to_be_visible()
    page.evaluate(MARK)
    tries = page.locator("#lab-5-1-tries")
    tries.locator("summary").first.click()
    expect(tries).to_contain_text("NOTHING_ARRIVED")

    page.get_by_role("button", name="Keep awake 30 min").click()
    expect(page.get_by_role("status").filter(has_text="stays awake until")).to_be_visible()
    expect(page.locator("#box")).to_contain_text("by Grace Hopper, instructor")
    page.evaluate(MARK)
    page.locator("#lab-5-1-tries summary").first.click()

    student.locator("#chip").click()
    student.locator("[data-do=stop]").click()
    expect(page.locator("#box .say")).to_contain_text("Asleep", timeout=30_000)
    expect(page.locator("#lab-5-1-tries")).to_have_attribute("open", "")
    assert page.evaluate("globalThis.neverReloaded") is True
