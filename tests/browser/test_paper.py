"""What comes out of a printer: shapes keep their ink, what is pressed stays away, nothing is cut off."""

from __future__ import annotations

import pytest

from accounts.models import Cohort
from tests.browser.reading import width_beyond
from tests.browser.test_classroom_pages import hall  # noqa: F401
from tests.browser.test_pages import Visit, browser, cast, sign_in, visit  # noqa: F401
from tests.classroom import school

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

A4_WITHIN_MARGINS = {"viewport": {"width": 680, "height": 960}}
ON_PAPER = """() => [...document.querySelectorAll("button, .acts, .bar, .is-live, #sandbox-panel")]
  .filter((node) => node.checkVisibility()).map((node) => node.outerHTML.slice(0, 80))"""
CUT = """() => [...document.querySelectorAll(".scrollx, pre")]
  .filter((node) => node.scrollWidth > node.clientWidth && getComputedStyle(node).overflowX !== "visible")
  .map((node) => node.textContent.slice(0, 80))"""


@pytest.mark.parametrize("visit", [A4_WITHIN_MARGINS], indirect=True, ids=["a4"])
def test_the_pages_that_are_printed_are_whole_on_paper(visit: Visit, hall: Cohort) -> None:  # noqa: F811
    for who, addresses in {
        "ada": ("/", "/lessons/first/"),
        "grace": (f"/class/{hall.pk}/gradebook/", f"/class/{hall.pk}/{school.worst_off(hall).pk}/"),
    }.items():
        visit.page.context.clear_cookies()
        sign_in(visit, who)
        for address in addresses:
            visit.go(address)
            visit.page.emulate_media(media="print")

            assert visit.page.evaluate(ON_PAPER) == [], address
            assert visit.page.evaluate(CUT) == [], address
            assert width_beyond(visit.page) <= 0, address
            ink = "getComputedStyle(document.querySelector('main')).printColorAdjust"
            assert visit.page.evaluate(ink) == "exact", address
            visit.page.emulate_media(media="screen")
