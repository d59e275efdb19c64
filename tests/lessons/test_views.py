"""Pages of the course for three kinds of reader: nobody, the student, and another student."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from lessons import rounds, selectors, services
from lessons.asked import why_of
from lessons.course_map import recent_verdicts
from lessons.models import Answer, LabVersion, TaskProgress, VerdictRow
from sandboxes import limits
from tests import make
from tests.lessons import rows
from tests.lessons.paper import PaperView

pytestmark = pytest.mark.django_db

LESSON = "/lessons/first/"
LAB = "/lessons/first/labs/one/"


@pytest.fixture
def version(tmp_path: Path, settings: Any) -> LabVersion:
    return rows.load_small_course(tmp_path, settings)


@pytest.fixture
def ada(version: LabVersion) -> User:
    return make.student("ada")


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def text(client: Client, address: str, **data: str) -> str:
    answer = client.post(address, data) if data else client.get(address)
    assert answer.status_code == 200, answer
    return answer.content.decode()


def test_nobody_is_asked_to_sign_in(client: Client, version: LabVersion) -> None:
    for address in ("/search/?q=a", LESSON, LAB):
        assert client.get(address).headers["Location"] == f"/accounts/login/?{urlencode({'next': address})}"
    assert client.post(LAB + "start/").headers["Location"] == "/accounts/login/"


@pytest.mark.parametrize(
    ("page", "back"),
    [
        ("http://testserver/lessons/first/?a=b#record", "?next=%2Flessons%2Ffirst%2F%3Fa%3Db"),
        ("http://elsewhere.example/lessons/first/", ""),
        ("", ""),
    ],
)
def test_a_button_pressed_after_the_session_ended_leads_to_sign_in_and_back_to_its_page(
    client: Client, version: LabVersion, page: str, back: str
) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": page}

    for answer in (client.post(LAB + "start/", headers=headers), client.get(LAB, headers=headers)):
        assert (answer.status_code, answer.content) == (401, b"")
        assert answer.headers["HX-Redirect"] == "/accounts/login/" + back


def test_the_map_shows_every_lesson_and_links_those_that_are_written(page: Client) -> None:
    shown = text(page, "/")

    assert 'href="/lessons/first/"' in shown
    assert "The second lesson" in shown
    assert 'href="/lessons/second/"' not in shown


def test_a_lesson_that_is_coming_is_not_there_yet(page: Client) -> None:
    assert page.get("/lessons/second/").status_code == 404


def test_the_lesson_has_its_text_its_question_its_prediction_and_its_lab(page: Client) -> None:
    shown = text(page, LESSON)

    for part in (
        '<section id="record"><h2>A record</h2>',
        'id="predict-guess"',
        'id="quiz-where"',
        'id="lab-one"',
    ):
        assert part in shown
    assert "Offsets begin at nought." not in shown
    assert "And nowhere else." not in shown


def test_the_lesson_page_costs_one_query_beside_session_and_user(
    page: Client, django_assert_num_queries: Any
) -> None:
    text(page, LESSON)

    with django_assert_num_queries(1 + 2):
        text(page, LESSON)


def test_the_lab_panel_costs_two_queries_beside_session_and_user(
    page: Client, django_assert_num_queries: Any
) -> None:
    text(page, LAB)

    with django_assert_num_queries(2 + 2):
        text(page, LAB)


def test_a_course_not_loaded_yet_is_a_plain_404(client: Client, db: None) -> None:
    selectors.forget_course()
    client.force_login(make.student())

    assert client.get("/").status_code == 404


# -- questions ---------------------------------------------------------------------------------------------


def test_a_wrong_answer_is_told_why_and_may_be_tried_again(page: Client) -> None:
    shown = text(page, LESSON + "quiz/where/", answer="sky")

    assert "It is in a log." in shown
    assert 'class="wrong"' in shown
    assert "Answer again" in shown


def test_a_right_answer_is_told_why_and_stays_on_the_page(page: Client) -> None:
    text(page, LESSON + "quiz/where/", answer="log")

    shown = text(page, LESSON)

    assert "And nowhere else." in shown
    assert 'class="right"' in shown


def test_an_answer_that_is_none_asks_again(page: Client) -> None:
    assert "Choose one of the answers first." in text(page, LESSON + "quiz/where/", answer="moon")
    assert Answer.objects.count() == 0


ORDER = """\
items:
- id: where
  kind: order
  prompt: "In what order?"
  options:
  - {id: make, text: "Make it."}
  - {id: send, text: "Send it."}
  - {id: flush, text: "Flush."}
  why: "One after the other."
"""


@pytest.fixture
def order(tmp_path: Path, settings: Any, page: Client) -> Client:
    """Ada, with a question of order in the lesson."""
    (tmp_path / "01-first" / "quiz.yaml").write_text(ORDER)
    services.load_course()
    selectors.forget_course()
    return page


def chosen(shown: str) -> list[tuple[str, str]]:
    """(option, place) for each place that is chosen in the form."""
    selects = re.findall(r'<select name="place-(\w+)"(.*?)</select>', shown)
    found = [(name, re.findall(r'value="(\d)" selected', options)) for name, options in selects]
    return sorted((name, places[0]) for name, places in found if places)


def test_an_order_with_a_place_given_twice_or_missing_comes_back_as_it_was_filled_in(order: Client) -> None:
    twice = {"place-make": "1", "place-send": "1", "place-flush": "3"}
    missing = {"place-make": "2", "place-send": "", "place-flush": "nonsense"}

    shown = text(order, LESSON + "quiz/where/", **twice)

    assert "Each place may be used once." in shown
    assert chosen(shown) == [("flush", "3"), ("make", "1"), ("send", "1")]
    assert chosen(text(order, LESSON + "quiz/where/", **missing)) == [("make", "2")]
    assert Answer.objects.count() == 0


def test_a_wrong_order_is_shown_again_with_its_places_and_the_page_keeps_it(order: Client) -> None:
    wrong = {"place-make": "2", "place-send": "1", "place-flush": "3"}

    shown = text(order, LESSON + "quiz/where/", **wrong)

    places = [("flush", "3"), ("make", "2"), ("send", "1")]
    assert chosen(shown) == chosen(text(order, LESSON)) == places


def test_a_wrong_number_does_not_tell_what_the_cluster_says() -> None:
    ask = {"kind": "numeric", "why": "Twelve each run.", "whys": {}}

    wrong = why_of(ask, Answer(answer="7", right=False, measured=24))
    right = why_of(ask, Answer(answer="24", right=True, measured=24))

    assert "24" not in wrong
    assert "Your sandbox says 24." in right


def test_a_prediction_shows_the_answer_and_cannot_be_changed(page: Client) -> None:
    shown = text(page, LESSON + "predict/guess/", answer="b")
    assert "Offsets begin at nought." in shown
    assert "<dd>One.</dd>" in shown

    assert "<dd>One.</dd>" in text(page, LESSON + "predict/guess/", answer="a")
    assert "<dd>One.</dd>" in text(page, LESSON)


def test_a_prediction_that_cannot_be_written_down_says_why_and_keeps_what_was_chosen(
    page: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        limits, "waits_s", lambda shares: [7 if who == str(ada.pk) else 0 for _, who, _ in shares]
    )

    answer = page.post(LESSON + "predict/guess/", {"answer": "b"})

    said = answer.content.decode()
    assert (answer.status_code, answer["Retry-After"]) == (429, "7")
    assert "You may answer a question 120 times in 60 s. Try again in 7 s." in said
    assert re.search(r'value="b" required checked>', said)
    assert '<button type="submit" class="solid">Write it down' in said
    assert "Offsets begin at nought." not in said


def test_a_prediction_without_a_choice_says_what_is_missing(page: Client) -> None:
    said = text(page, LESSON + "predict/guess/", answer="<b>moon</b>")
    assert '<p role="alert">Choose one of the answers first.</p>' in said
    assert "moon" not in said


def test_another_student_sees_nothing_of_it(page: Client) -> None:
    text(page, LESSON + "quiz/where/", answer="log")
    text(page, LESSON + "predict/guess/", answer="b")
    other = Client()
    other.force_login(make.student("edsger"))

    shown = text(other, LESSON)

    assert "And nowhere else." not in shown
    assert "Offsets begin at nought." not in shown


def test_what_does_not_exist_is_404(page: Client) -> None:
    for address in ("/lessons/moon/", "/lessons/first/labs/moon/"):
        assert page.get(address).status_code == 404
    for address in (
        "quiz/moon/",
        "predict/moon/",
        "labs/one/tasks/moon/check/",
        "labs/one/tasks/moon/hint/1/",
    ):
        assert page.post(LESSON + address).status_code == 404


def test_what_changes_something_cannot_be_got(page: Client) -> None:
    for address in (
        "quiz/where/",
        "predict/guess/",
        "labs/one/start/",
        "labs/one/reset/",
        "labs/one/tasks/run/check/",
    ):
        assert page.get(LESSON + address).status_code == 405


def test_the_head_of_a_page_may_be_asked_for(page: Client) -> None:
    for address in ("/", LESSON, LAB, "/search/", "/board/"):
        answer = page.head(address)
        assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert Client().head("/").status_code == 200


# -- the lab -----------------------------------------------------------------------------------------------


def test_a_lab_without_a_sandbox_says_what_to_do_first(page: Client) -> None:
    assert "Start your sandbox first." in text(page, LAB)
    assert "Your sandbox is not running." in text(page, LAB + "start/", files="0")


def test_a_verdict_reaches_the_panel_with_cause_reading_and_hint(
    page: Client, ada: User, version: LabVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = rows.attempt(ada, version, rows.sandbox(ada))
    monkeypatch.setattr(rounds, "open_view", lambda _id: PaperView())

    shown = text(page, LAB + "tasks/run/check/", now="1")

    assert "main.py has not run." in shown
    assert "<code>not_run</code>" in shown
    assert 'href="#record"' in shown
    assert "Check again" in shown
    assert "Has it run?" not in shown
    assert "Has it run?" in text(page, LAB + "tasks/run/hint/1/", now="1")
    assert attempt.verdicts.get().asked


def test_evidence_is_counted_as_it_was_kept_as_staff_count_it(
    page: Client, ada: User, version: LabVersion
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))
    kept = [{"topic": "orders", "partition": 0, "offset": n} for n in range(50)]
    verdict = {"sentence": "Ten are bad.", "cause": "BAD", "seen": 60, "evidence": kept}
    TaskProgress.objects.filter(user=ada, task_id="run").update(
        state="fail", verdict=verdict, judged_at=timezone.now(), activated_at=timezone.now()
    )

    assert "3 of 50 rows; the judge saw 60. Show more" in text(page, LAB)


def test_a_lab_that_is_revised_meanwhile_is_finished_as_it_was_begun(
    page: Client, ada: User, version: LabVersion, settings: Any
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))
    lab = settings.LESSONS_CONTENT / "01-first/labs/one/lab.yaml"
    lab.write_text(lab.read_text().replace("title: Run it", "title: Start it"))
    services.load_course()
    selectors.forget_course()

    assert "Run it" in text(page, LAB)
    ada.attempts.update(ended_at=timezone.now())
    assert "Start it" in text(page, LAB)


@pytest.fixture
def former(ada: User, version: LabVersion) -> LabVersion:
    """An earlier version of the lab, whose one task had another name; Ada was through with it."""
    spec = {**version.spec, "tasks": [{**version.spec["tasks"][0], "id": "former"}]}
    old = LabVersion.objects.create(
        digest="0" * 64, lab_id=version.lab_id, lesson_id=version.lesson_id,
        lesson_slug=version.lesson_slug, spec=spec,
    )  # fmt: skip
    rows.attempt(ada, old, None)
    ada.attempts.update(ended_at=timezone.now())
    ada.progress.update(state="pass", passed_at=timezone.now())
    return old


def test_a_lab_whose_task_was_renamed_is_to_be_done_again(page: Client, former: LabVersion) -> None:
    shown = text(page, LAB)

    assert ">Begin</button>" in shown
    assert "Do it again" not in shown


def test_an_attempt_is_under_way_although_an_earlier_one_knew_another_task(
    page: Client, ada: User, former: LabVersion, version: LabVersion
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))

    for shown in (text(page, LAB), text(page, LESSON)):
        assert 'data-state="open"' in shown
        assert "Check now" in shown


def test_a_panel_that_has_not_changed_is_not_sent_again(
    page: Client, ada: User, version: LabVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))
    monkeypatch.setattr(rounds, "open_view", lambda _id: PaperView())
    stamp = re.findall(r'"have": "(\w+)"', text(page, LAB))[0]

    assert page.get(LAB, {"have": stamp}).status_code == 204
    text(page, LAB + "tasks/run/check/", now="1")
    assert page.get(LAB, {"have": stamp}).status_code == 200


def test_another_student_cannot_check_or_see_it(
    ada: User, version: LabVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))
    monkeypatch.setattr(rounds, "open_view", lambda _id: PaperView())
    other = Client()
    other.force_login(make.student("edsger"))

    assert "This lab is not under way." in text(other, LAB + "tasks/run/check/", now="1")
    assert "main.py has not run." not in text(other, LAB)


def test_an_attempt_in_a_sandbox_that_was_replaced_is_to_begin_again(
    page: Client, ada: User, version: LabVersion
) -> None:
    rows.attempt(ada, version, None)
    rows.sandbox(ada)

    assert "Your sandbox was replaced since you began" in text(page, LAB)


def test_a_reset_that_is_refused_says_why_and_lets_one_begin(
    page: Client, ada: User, version: LabVersion
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))  # a sandbox that its backend does not know

    shown = text(page, LAB + "reset/", now="1")

    assert "There is no such sandbox here." in shown
    assert ">Begin</button>" in shown
    assert "Do it again" not in shown


def test_the_home_page_tells_the_last_verdicts(
    page: Client, ada: User, version: LabVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))
    monkeypatch.setattr(rounds, "open_view", lambda _id: PaperView())
    text(page, LAB + "tasks/run/check/", now="1")

    shown = text(page, "/")

    assert "Lab 1.1, Run it" in shown
    assert "NOT_RUN" in shown


def test_titles_of_verdicts_cost_no_reading_of_judges_and_starters(
    page: Client, ada: User, former: LabVersion, version: LabVersion, django_assert_num_queries: Any
) -> None:
    for attempt in (*ada.attempts.all(), rows.attempt(ada, version, None)):
        VerdictRow.objects.create(attempt=attempt, task_id="run", number=1, state="fail", cause="NOT_RUN")
    course = selectors.current_course()
    assert course is not None

    with django_assert_num_queries(2) as asked:  # the results, and the one former version
        told = recent_verdicts(course, ada)

    assert [row["lab"] for row in told] == ["Lab 1.1", "Lab 1.1"]
    read = " ".join(query["sql"] for query in asked.captured_queries)
    assert not any(column in read for column in ('"checks"', '"starter"', '"workload"', '"brief"'))
