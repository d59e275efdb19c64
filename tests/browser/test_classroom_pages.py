"""The instructor's pages in a real browser, one by one, with a server that speaks no websockets."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from accounts.models import Cohort, Enrolment, Role
from tests.browser import shots_of
from tests.browser.reading import assert_reads_well
from tests.browser.test_pages import LOOKS, Visit, browser, cast, sign_in, visit  # noqa: F401
from tests.cast import Cast
from tests.classroom import school

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MARK = "globalThis.neverReloaded = true"


@pytest.fixture
def hall(cast: Cast) -> Cohort:  # noqa: F811
    """Grace's class in the middle of a lesson, thirty students besides Ada."""
    school.open_course()
    school.fill(cast.spring, 30)
    return cast.spring


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
    for name, more in {
        "now": "",
        "stuck": "?show=stuck&sort=stuck",
        "grades": "gradebook/",
        "people": "people/",
        "worst-off": f"{student.pk}/",
        "at-the-start": f"{cast.ada.pk}/",
    }.items():
        visit.go(f"/class/{hall.pk}/{more}")
        shots_of.take(visit.page, f"class-{name}")

        assert visit.said == [], more
        assert visit.asked_elsewhere == [], more
        assert_reads_well(visit.page, more)


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


@pytest.mark.parametrize("visit", [{"java_script_enabled": False}], indirect=True, ids=["no-scripts"])
def test_the_class_works_without_scripts(visit: Visit, hall: Cohort) -> None:  # noqa: F811
    sign_in(visit, "grace")
    visit.go(f"/class/{hall.pk}/")

    visit.page.locator("#trouble .what").first.click()

    expect(visit.page.locator(".chosen")).to_contain_text("shown, on")
    visit.page.locator(".heat tbody th a").first.click()
    expect(visit.page.locator("#labs .sec").first).to_be_visible()
