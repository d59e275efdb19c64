"""The rooms of staff with keys alone: class, student, grades; a sandbox kept awake, stopped and deleted."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.keys import press, tab_to
from tests.browser.people import newcomer
from tests.browser.site import RunningSite
from tests.browser.workbench import LESSON, start_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

STUDENT = "rosalind"


@pytest.fixture
def student(chromium: Browser, site: RunningSite) -> Iterator[Page]:
    """Somebody with a sandbox of their own."""
    context = chromium.new_context(base_url=site.address)
    page = newcomer(context, site, STUDENT)
    page.goto(LESSON)
    start_sandbox(page)
    yield page
    context.close()


def enter(context: BrowserContext, name: str, password: str) -> Page:
    page = context.new_page()
    page.goto("/accounts/login/")
    tab_to(page, "#id_login")
    page.keyboard.type(name)
    tab_to(page, "#id_password")
    page.keyboard.type(password)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    return page


def follow(page: Page, selector: str) -> None:
    """Reach it by Tab, press Enter, and be where it leads."""
    tab_to(page, selector)
    with page.expect_navigation():
        page.keyboard.press("Enter")


def test_an_instructor_reads_the_class_with_keys(context: BrowserContext, site: RunningSite) -> None:
    page = enter(context, "grace", "millrace-grace")
    follow(page, ".rooms a[href='/class/']")
    page.wait_for_url("**/class/*/")

    press(page, "#twin")
    expect(page.locator("#heat")).to_have_class("heat words")
    press(page, "#f-absent")
    expect(page.locator("#f-absent")).to_have_attribute("aria-current", "true")
    press(page, "#f-all")
    expect(page.locator("#f-all")).to_have_attribute("aria-current", "true")
    follow(page, ".heat tbody th a")
    expect(page.locator("#labs")).to_be_visible()
    follow(page, ".crumbs a[href*='/class/']:not([href='/class/'])")
    follow(page, ".tabs a[href$='gradebook/']")
    expect(page.get_by_role("heading", level=1)).to_have_text("Gradebook")
    tab_to(page, "a[download]")
    with page.expect_download() as grades:
        page.keyboard.press("Enter")
    assert grades.value.suggested_filename.endswith(".csv")
    tab_to(page, ".scrollx")
    follow(page, ".grades tbody th a")
    expect(page.locator("#labs")).to_be_visible()


def test_an_admin_looks_after_a_sandbox_with_keys(
    context: BrowserContext, site: RunningSite, student: Page
) -> None:
    page = enter(context, "admin", site.admin_password)
    follow(page, ".rooms a[href='/console/sandboxes/']")
    tab_to(page, "input[type=search]")
    page.keyboard.type(STUDENT)
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(rf"q={STUDENT}"))
    expect(page.locator("#fleet tbody tr")).to_have_count(1)
    follow(page, "#fleet tbody th a")
    reference = page.get_by_role("heading", level=1).inner_text().split(",")[0]

    follow(page, "#do-extend")
    expect(page.get_by_role("status").filter(has_text="stays awake until")).to_be_visible()

    follow(page, "#do-stop")
    follow(page, ".meant a.quiet")
    expect(page.locator("#do-stop")).to_be_visible()
    follow(page, "#do-stop")
    tab_to(page, "#reason")
    page.keyboard.type("We move the machine.")
    follow(page, ".meant button[type=submit]")
    expect(page.get_by_role("status").filter(has_text="is going to sleep")).to_be_visible()
    expect(page.locator(".order")).to_contain_text("We move the machine")
    expect(student.locator("#panel-slot [data-said=staff]")).to_contain_text("“We move the machine”")

    follow(page, "#do-delete")
    tab_to(page, "[name=password]")
    page.keyboard.type(site.admin_password)
    with page.expect_navigation():
        page.keyboard.press("Enter")
    tab_to(page, "#reference")
    page.keyboard.type(reference)
    follow(page, ".meant button[type=submit]")
    expect(page.locator(".say")).to_contain_text("It is gone", timeout=60_000)
