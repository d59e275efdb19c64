"""The lab's panel in a real browser: what cannot be done is said, and nobody loses their place."""

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Route, expect

from accounts.models import User
from lessons.models import LabVersion
from tests import make
from tests.browser.test_pages import Visit, browser, cast, sign_in, visit  # noqa: F401
from tests.lessons import rows

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LESSON = "/lessons/first/"


def begun(name: str = "ada") -> None:
    """The lab of the small course is under way."""
    user = User.objects.get(username=name)
    rows.attempt(user, LabVersion.objects.get(), user.sandboxes.first() or rows.sandbox(user))


# -- what could not be done --------------------------------------------------------------------------------


def test_a_button_pressed_after_the_session_ended_leads_to_sign_in_and_back(visit: Visit) -> None:
    sign_in(visit)
    visit.go(LESSON)
    Session.objects.all().delete()
    page = visit.page

    page.locator("#lab-one").get_by_role("button", name="Begin").click()
    page.wait_for_url(f"{visit.origin}/accounts/login/?next=%2Flessons%2Ffirst%2F")
    page.fill("#id_login", "ada")
    page.fill("#id_password", make.PASSWORD)
    page.click("#sign button")

    page.wait_for_url(visit.origin + LESSON)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [(None, "the site did not answer"), (403, "you signed in again"), (502, "something failed on our side")],
)
def test_a_button_that_could_do_nothing_says_so_and_can_be_pressed_again(
    visit: Visit, status: int | None, sentence: str
) -> None:
    sign_in(visit)
    begun()
    visit.go(LESSON)
    lab = visit.page.locator("#lab-one")

    def refuse(route: Route) -> None:
        route.abort() if status is None else route.fulfill(status=status, body="<h1>No.</h1>")

    visit.page.route("**/check/", refuse)
    check = lab.get_by_role("button", name="Check now")
    check.click()

    expect(lab.get_by_role("alert")).to_contain_text(sentence)
    expect(check).to_be_enabled()
    check.click()
    expect(lab.get_by_role("alert")).to_have_count(1)


def test_what_the_page_asks_by_itself_fails_without_a_word(visit: Visit) -> None:
    sign_in(visit)
    begun()
    visit.go(LESSON)
    page = visit.page
    page.route("**/labs/one/**", lambda route: route.abort())

    with page.expect_event("requestfailed"):
        page.evaluate("document.body.dispatchEvent(new CustomEvent('lab:changed'))")
    page.evaluate("new Promise((done) => setTimeout(done))")

    expect(page.locator("#lab-one").get_by_role("alert")).to_have_count(0)
