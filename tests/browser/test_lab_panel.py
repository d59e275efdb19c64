"""The lab's panel in a real browser: what cannot be done is said, and nobody loses their place."""

# ruff: noqa: F811 - the fixtures of test_pages

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from playwright.sync_api import Route, expect

from accounts.models import User
from lessons import grading, rounds
from lessons.checks import Pass
from lessons.models import LabVersion, TaskProgress
from tests import make
from tests.browser.test_pages import Visit, browser, cast, sign_in, visit  # noqa: F401
from tests.lessons import rows
from tests.lessons.paper import PaperView

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

LESSON = "/lessons/first/"


def begun(name: str = "ada") -> None:
    """The lab of the small course is under way."""
    user = User.objects.get(username=name)
    rows.attempt(user, LabVersion.objects.get(), user.sandboxes.first() or rows.sandbox(user))


@pytest.fixture(autouse=True)
def left_quietly(visit: Visit) -> Iterator[None]:
    """What a page says as it is left has been written before the tables are emptied."""
    yield
    visit.go("/healthz/")


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


# -- the reader's place ------------------------------------------------------------------------------------


@pytest.fixture
def panel(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> Visit:
    """Ada's lab, under way, in a sandbox that holds nothing."""
    monkeypatch.setattr(rounds, "open_view", lambda _id: PaperView())
    sign_in(visit)
    begun()
    visit.go(LESSON)
    return visit


def judged(visit: Visit, **changes: Any) -> None:
    """The task was judged, and the page is told so."""
    TaskProgress.objects.filter(task_id="run").update(**changes)
    with visit.page.expect_response("**/labs/one/?have=*"):
        visit.page.evaluate("document.body.dispatchEvent(new CustomEvent('lab:changed'))")


def test_whoever_checks_by_keys_stays_at_the_task_and_hears_the_verdict(panel: Visit) -> None:
    page = panel.page
    page.locator("#check-one-run").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#lab-one .cause b")).to_have_text("main.py has not run.")
    expect(page.locator("#check-one-run")).to_be_focused()
    expect(page.locator("#told")).to_have_text("Task 1, Run it: failed. main.py has not run.")
    page.locator("#hint-one-run-1").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#hint-one-run-1 > summary")).to_be_focused()


def test_whoever_begins_by_keys_stays_on_the_panel(visit: Visit) -> None:
    sign_in(visit)
    visit.go(LESSON)
    visit.page.locator("#begin-one").focus()
    visit.page.keyboard.press("Enter")

    expect(visit.page.locator("#lab-one").get_by_role("alert")).to_be_visible()
    expect(visit.page.locator("#begin-one")).to_be_focused()


def test_a_count_that_moves_leaves_focus_and_folds_alone_and_is_not_said(panel: Visit) -> None:
    page = panel.page
    page.locator("#task-one-run > summary").focus()
    page.keyboard.press("Enter")

    judged(panel, verdict={"state": "waiting", "done": 3, "of": 10})

    expect(page.locator("#task-one-run .v")).to_have_text("watching, 3 of 10")
    expect(page.locator("#task-one-run > summary")).to_be_focused()
    expect(page.locator("#task-one-run")).not_to_have_attribute("open", "")
    expect(page.locator("#told")).to_have_text("")


def test_a_verdict_that_comes_by_itself_is_said_and_unfolds_its_task(panel: Visit) -> None:
    page = panel.page
    page.locator("#task-one-run > summary").click()

    judged(panel, state="fail", verdict={"state": "fail", "cause": "NOT_RUN", "sentence": "It has not run."})

    expect(page.locator("#task-one-run")).to_have_attribute("open", "")
    expect(page.locator("#told")).to_have_text("Task 1, Run it: failed. It has not run.")


def test_a_check_that_passes_leaves_its_reader_at_the_task(
    panel: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = panel.page
    monkeypatch.setattr(grading, "judge_lab", lambda *_: {"run": Pass("It ran.")})
    page.locator("#check-one-run").focus()
    page.keyboard.press("Enter")

    expect(page.locator("#told")).to_contain_text("Task 1, Run it: done")
    expect(page.locator("#task-one-run > summary")).to_be_focused()


@pytest.mark.parametrize("visit", [{"timezone_id": "Asia/Kolkata"}], indirect=True, ids=["half past"])
def test_times_are_the_readers_own_as_on_the_board(panel: Visit) -> None:
    at = datetime(2026, 3, 4, 13, 5, 2, 118_000, UTC)
    row = {"topic": "orders", "partition": 0, "offset": 1, "at": at.timestamp()}

    judged(panel, state="fail", verdict={"cause": "NOT_RUN", "evidence": [row]}, judged_at=at)

    times = panel.page.locator("#lab-one time")
    expect(times).to_have_text(["18:35:02", "18:35:02.118"])
    judged(panel, state="pass", verdict={})
    expect(times).to_have_text(["18:35"])


# -- what passed -------------------------------------------------------------------------------------------


PASSED = {"sentence": "It ran, and well.", "seen": 1, "evidence": [{"note": "the program ended"}]}


def test_a_task_that_passes_under_its_readers_eyes_stays_open_with_what_was_seen(panel: Visit) -> None:
    at = datetime(2026, 3, 4, 13, 5, 2, tzinfo=UTC)
    judged(panel, state="pass", verdict=PASSED, judged_at=at, passed_at=at, points=1)

    task = panel.page.locator("#task-one-run")
    expect(task.locator(".v")).to_contain_text("1 of 1 point")
    expect(panel.page.locator("#lab-one > .eyebrow")).to_contain_text("1 of 1 point")
    expect(task.get_by_text("It ran, and well.")).to_be_visible()
    expect(task.get_by_text("the program ended")).to_be_visible()


def test_a_task_that_passed_before_opens_at_a_press(panel: Visit) -> None:
    at = datetime(2026, 3, 4, 13, 5, 2, tzinfo=UTC)
    passed = {"state": "pass", "verdict": PASSED, "judged_at": at, "passed_at": at, "points": 1}
    TaskProgress.objects.filter(task_id="run").update(**passed)
    panel.go(LESSON)
    seen = panel.page.locator("#task-one-run").get_by_text("the program ended")

    expect(seen).to_be_hidden()
    panel.page.locator("#task-one-run > summary").click()
    expect(seen).to_be_visible()
