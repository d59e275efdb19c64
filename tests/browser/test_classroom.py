"""The instructor's room in a real browser: pushed without a reload, pleasing to axe, done with keys alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from playwright.sync_api import Browser, Page, expect

from accounts.models import Cohort, Enrolment, Role
from tests.browser.people import sign_in as sign_in_at
from tests.browser.site import RunningSite
from tests.browser.test_pages import (  # noqa: F401 - fixtures
    LOOKS,
    Visit,
    browser,
    cast,
    sign_in,
    visit,
    width_beyond,
)
from tests.browser.workbench import begin_lab, open_file, open_workspace, start_sandbox, type_program
from tests.cast import Cast
from tests.classroom import school

LAB = Path(settings.BASE_DIR, "lessons/content/05-first-producer/labs/first-events")
MARK = "globalThis.neverReloaded = true"


# -- with the whole site: told by the socket ---------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.xdist_group("site")
def test_a_verdict_of_a_student_shows_in_the_instructors_page_without_a_reload(
    ada: Page, chromium: Browser, site: RunningSite
) -> None:
    class_page = chromium.new_context(
        base_url=site.address, viewport={"width": 1280, "height": 900}
    ).new_page()
    sign_in_at(class_page, "grace")
    class_page.goto("/class/")
    expect(class_page.locator(".is-live")).to_be_visible()
    row = class_page.get_by_role("row", name=re.compile("Ada Lovelace"))
    link = row.get_by_role("link", name="Ada Lovelace")
    link.focus()
    class_page.evaluate(MARK)

    ada.goto("/lessons/first-producer/")
    start_sandbox(ada)
    expect(row).to_contain_text("in use")
    begin_lab(ada, "first-events")
    expect(row).to_contain_text("5.1.1")
    run_program(ada, LAB / "mistakes/no-flush/producer.py")

    cell = row.locator("td.f")
    expect(cell).to_have_text(re.compile(r"failed \d times?, LOST_AT_EXIT"), timeout=60_000)
    expect(class_page.locator("#trouble")).to_contain_text("5.1.1 Get all fifty into the log")
    expect(class_page.locator("#feed")).to_contain_text("Ada Lovelace failed 5.1.1")

    run_program(ada, LAB / "solutions/reference/producer.py")
    expect(row.locator("td.p")).to_have_count(4, timeout=60_000)
    expect(class_page.locator("#trouble")).to_contain_text("Nothing holds anybody up")
    assert class_page.evaluate("globalThis.neverReloaded") is True
    expect(link).to_be_focused()
    one_student(class_page, ada)
    class_page.context.close()


def run_program(page: Page, program: Path) -> None:
    open_workspace(page)
    open_file(page, "producer.py", holds="main()")
    type_program(page, program.read_text())
    page.locator(".run").click()


def one_student(page: Page, ada: Page) -> None:
    """On the student's own page the evidence stays open, and what the sandbox does is told as it happens."""
    page.get_by_role("link", name="Ada Lovelace").first.click()
    expect(page.locator(".is-live")).to_be_visible()
    page.evaluate(MARK)
    tries = page.locator("#lab-5-1-tries")
    tries.locator("summary").first.click()
    expect(tries).to_contain_text("LOST_AT_EXIT")

    page.get_by_role("button", name="Keep awake 30 min").click()
    expect(page.get_by_role("status").filter(has_text="stays awake until")).to_be_visible()
    expect(page.locator("#box")).to_contain_text("by Grace Hopper, instructor")
    page.evaluate(MARK)
    page.locator("#lab-5-1-tries summary").first.click()

    ada.locator("#chip").click()
    ada.locator("[data-do=stop]").click()
    expect(page.locator("#box .say")).to_contain_text("Asleep", timeout=30_000)
    expect(page.locator("#lab-5-1-tries")).to_have_attribute("open", "")
    assert page.evaluate("globalThis.neverReloaded") is True


# -- page by page, with a server that speaks no websockets: looked up by the clock -------------------------


@pytest.fixture
def hall(cast: Cast) -> Cohort:  # noqa: F811
    """Grace's class in the middle of a lesson, thirty students besides Ada."""
    school.open_course()
    school.fill(cast.spring, 30)
    return cast.spring


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "visit", LOOKS, indirect=True, ids=lambda look: f"{look['viewport']['width']}-{look['color_scheme']}"
)
def test_every_page_of_a_class_keeps_its_policy_pleases_axe_and_fits(
    visit: Visit,  # noqa: F811
    cast: Cast,  # noqa: F811
    hall: Cohort,
) -> None:
    sign_in(visit, "grace")
    student = school.worst_off(hall)
    for more in ("", "?show=stuck&sort=stuck", "gradebook/", "people/", f"{student.pk}/", f"{cast.ada.pk}/"):
        visit.go(f"/class/{hall.pk}/{more}")

        assert visit.said == [], more
        assert visit.asked_elsewhere == [], more
        assert width_beyond(visit.page) <= 0, more
        found = Axe().run(visit.page, options={"preload": False})
        assert found.violations_count == 0, f"{more}\n{found.generate_report()}"


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_without_a_socket_the_page_says_so_and_looks_by_itself(
    visit: Visit,  # noqa: F811
    cast: Cast,  # noqa: F811
    hall: Cohort,
) -> None:
    sign_in(visit, "grace")
    visit.go(f"/class/{hall.pk}/?sort=name")
    page = visit.page
    page.evaluate(MARK)
    row = page.locator(f"#s{cast.ada.pk}")
    row.get_by_role("link").focus()
    scrolled = page.evaluate("scrollY")
    expect(page.locator("[data-overview-status]")).to_contain_text("Not live")
    expect(page.locator(".is-live")).to_be_hidden()

    attempt = school.begin(cast.ada, school.labs()[0], school.sandbox(cast.ada))
    school.fails(attempt, "predict", "NOT_WRITTEN", times=3)

    expect(row.locator("td.f.s")).to_have_text("stuck, failed 3 times, NOT_WRITTEN", timeout=20_000)
    expect(row.get_by_role("link")).to_be_focused()
    assert page.evaluate("scrollY") == scrolled
    assert page.evaluate("globalThis.neverReloaded") is True
    assert visit.said == []


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_a_class_that_is_taken_from_an_instructor_says_so_where_it_is_still_open(
    visit: Visit,  # noqa: F811
    hall: Cohort,
) -> None:
    sign_in(visit, "grace")
    visit.go(f"/class/{hall.pk}/")

    Enrolment.objects.filter(cohort=hall, role=Role.INSTRUCTOR).delete()

    said = visit.page.locator("[data-overview-status]")
    expect(said).to_have_text("Not live: this page is not yours any more. Reload it.", timeout=20_000)
    visit.page.reload()
    expect(visit.page.get_by_role("heading", level=1)).to_have_text("Offset out of range")


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
def test_the_class_is_read_with_keys_alone(visit: Visit, hall: Cohort) -> None:  # noqa: F811
    sign_in(visit, "grace")
    visit.go(f"/class/{hall.pk}/")
    page, keys = visit.page, visit.page.keyboard
    rows = page.locator(".heat tbody th a")

    rows.first.focus()
    keys.press("ArrowDown")
    keys.press("ArrowDown")
    expect(rows.nth(2)).to_be_focused()
    keys.press("ArrowUp")
    expect(rows.nth(1)).to_be_focused()
    keys.press("End")
    expect(rows.last).to_be_focused()
    expect(rows.last).to_be_in_viewport()
    keys.press("Home")
    keys.press("ArrowUp")
    expect(rows.first).to_be_focused()
    page.wait_for_function(UNCOVERED)

    page.locator("#twin").focus()
    keys.press("Enter")
    expect(page.locator("#heat")).to_have_class("heat words")
    page.locator("#f-stuck").focus()
    keys.press("Enter")
    expect(page).to_have_url(re.compile(r"\?show=stuck$"))
    expect(page.locator("#f-stuck")).to_be_focused()
    expect(page.locator("#f-stuck")).to_have_attribute("aria-current", "true")
    page.go_back()
    expect(rows).to_have_count(31)


UNCOVERED = """() => {
  const box = document.activeElement.getBoundingClientRect();
  return document.elementFromPoint(box.x + 3, box.y + box.height / 2) === document.activeElement;
}"""


@pytest.mark.browser
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True, ids=["no-scripts"])
def test_the_class_works_without_scripts(visit: Visit, hall: Cohort) -> None:  # noqa: F811
    sign_in(visit, "grace")
    visit.go(f"/class/{hall.pk}/")

    visit.page.locator("#trouble .what").first.click()

    expect(visit.page.locator(".chosen")).to_contain_text("shown, on")
    visit.page.locator(".heat tbody th a").first.click()
    expect(visit.page.locator("#labs .sec").first).to_be_visible()
