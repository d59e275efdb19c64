"""The admin's room on a running site: what students do appears by itself, what the admin does is theirs."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.people import sign_in
from tests.browser.reading import assert_reads_well
from tests.browser.site import RunningSite
from tests.browser.workbench import LESSON, have_sandbox, start_sandbox

pytestmark = [pytest.mark.browser, pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("site")]

LOOKS = [(width, theme) for width in (390, 1280) for theme in ("light", "dark")]


@pytest.fixture
def student(chromium: Browser, site: RunningSite) -> Iterator[Page]:
    """Edsger in a browser of his own, on a lesson, with no sandbox."""
    context = chromium.new_context(base_url=site.address)
    context.set_default_timeout(15_000)
    page = context.new_page()
    sign_in(page, "edsger")
    page.goto(LESSON)
    yield page
    context.close()


@pytest.fixture
def admin(chromium: Browser, site: RunningSite) -> Iterator[Page]:
    context = chromium.new_context(base_url=site.address, viewport={"width": 1280, "height": 900})
    context.set_default_timeout(15_000)
    page = context.new_page()
    sign_in(page, "admin", site.admin_password)
    yield page
    context.close()


def moment(page: Page, what: str) -> Locator:
    """The line of the timeline that says this."""
    return page.locator(".order li").filter(has=page.get_by_text(what, exact=True))


def test_an_admin_sees_a_start_stops_it_and_deletes_it(admin: Page, student: Page, site: RunningSite) -> None:
    admin.goto("/console/sandboxes/?q=edsger")
    expect(admin.locator("body")).to_have_attribute("data-live", "yes")
    admin.evaluate("globalThis.sameDocument = true")

    start_sandbox(student)

    row = admin.get_by_role("row").filter(has_text="Edsger Dijkstra")
    expect(row).to_contain_text("in use", timeout=10_000)
    expect(row).to_contain_text("MiB", timeout=25_000)
    assert admin.evaluate("globalThis.sameDocument")

    row.get_by_role("link").click()
    reference = admin.get_by_role("heading", level=1).inner_text().split(",")[0]
    expect(admin.locator("#seen")).to_contain_text("1, combined, runs")
    admin.get_by_role("link", name="Stop…").click()
    expect(admin.get_by_text("Topics, records, offsets and files stay")).to_be_visible()
    admin.get_by_role("button", name="Stop it").click()

    expect(admin.get_by_role("status").filter(has_text="is going to sleep")).to_be_visible()
    expect(admin.locator(".say")).to_contain_text("Asleep", timeout=20_000)
    expect(moment(admin, "Going to sleep")).to_contain_text("by admin, admin")

    admin.get_by_role("link", name="Delete…").click()
    admin.get_by_label("Your password").fill(site.admin_password)
    admin.get_by_role("button", name="Go on").click()
    admin.get_by_label(f"Type {reference} to go on").fill(reference)
    admin.get_by_role("button", name="Delete it").click()

    expect(admin.locator(".say")).to_contain_text("It is gone", timeout=20_000)
    expect(moment(admin, "Being deleted")).to_contain_text("by admin, admin")
    expect(student.locator("#sandbox-panel")).to_have_attribute("data-state", "none", timeout=10_000)


def test_a_page_without_its_connection_says_so_and_is_live_again_by_itself(admin: Page) -> None:
    admin.goto("/console/clusters/")
    expect(admin.locator("body")).to_have_attribute("data-live", "yes")
    # A socket that is open outlives going offline; the server closes it when it is talked to.
    admin.context.set_offline(True)
    expect(admin.locator("[data-overview-status]")).to_contain_text("Not live", timeout=30_000)

    admin.context.set_offline(False)

    expect(admin.locator("body")).to_have_attribute("data-live", "yes", timeout=20_000)
    expect(admin.locator("[data-overview-status]")).to_be_empty()


def test_everything_is_done_without_scripts(chromium: Browser, site: RunningSite, student: Page) -> None:
    have_sandbox(student)
    context = chromium.new_context(base_url=site.address, java_script_enabled=False)
    page = context.new_page()
    sign_in(page, "admin", site.admin_password)

    page.goto("/console/sandboxes/")
    page.get_by_label("Search sandboxes").fill("edsger")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("row").filter(has_text="Edsger Dijkstra").get_by_role("link").click()
    page.get_by_role("link", name="Ask its machine").click()
    expect(page.get_by_text("1, combined, runs")).to_be_visible()
    page.go_back()
    page.get_by_role("button", name="Keep awake").click()

    expect(page.get_by_role("status").filter(has_text="stays awake until")).to_be_visible()
    expect(page.locator(".order li").first).to_contain_text("by admin, admin")
    context.close()


@pytest.mark.parametrize(("width", "theme"), LOOKS, ids=str)
def test_axe_finds_nothing_and_nothing_overflows(admin: Page, student: Page, width: int, theme: str) -> None:
    have_sandbox(student)
    admin.set_viewport_size({"width": width, "height": 900})
    admin.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    admin.goto("/console/sandboxes/")
    one = admin.get_by_role("row").filter(has_text="Edsger").get_by_role("link").get_attribute("href")
    admin.goto("/console/clusters/")
    cluster = admin.get_by_role("link", name="Change, reserve…").first.get_attribute("href")

    for address in ("/console/sandboxes/", "/console/clusters/", one, f"{one}stop/", f"{one}hold/", cluster):
        assert address is not None
        admin.goto(address)
        expect(admin.locator("body")).to_have_attribute("data-live", "yes")
        assert_reads_well(admin, address)
