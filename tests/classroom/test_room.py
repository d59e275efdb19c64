"""The class, now: who is where, who is held up by what, and what it costs to ask."""

import re
from datetime import timedelta

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import Enrolment
from classroom.boards import board
from classroom.columns import columns, in_pages
from classroom.question import Question, question_of
from lessons.models import CourseVersion, LabVersion
from lessons.selectors import current_course, forget_course
from tests import make
from tests.classroom import school
from tests.classroom.conftest import Lesson

pytestmark = pytest.mark.django_db

CAUSE = "LOST_AT_EXIT"


def names(page: str) -> list[str]:
    """The students of a page, in its order."""
    return re.findall(r'<a id="n\d+" href="\d+/">([^<]*)</a>', page)


def producer_lab() -> LabVersion:
    return next(lab for lab in school.labs() if lab.lab_id == "5.1")


def test_a_row_says_who_where_what_and_how_the_sandbox_is(lesson: Lesson) -> None:
    box = school.sandbox(lesson.ada)
    attempt = school.begin(lesson.ada, producer_lab(), box)
    school.passes(attempt, "arrive")
    school.fails(attempt, "keys", CAUSE, times=2)

    page = lesson.get()

    row = page[page.index(f'id="s{lesson.ada.pk}"') :].split("</tr>")[0]
    assert "Ada Lovelace" in row
    assert "in use" in row
    assert "<b>5.1.2</b>" in row
    assert ">passed<" in row
    assert f"failed 2 times, {CAUSE}" in row
    assert names(page) == ["Ada Lovelace", "Edsger Dijkstra"]


def test_whoever_passed_a_lab_at_one_look_stands_after_its_last_task(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, producer_lab(), school.sandbox(lesson.ada))
    tasks, now = school.tasks(attempt.lab), timezone.now()
    for task in tasks:
        school.passes(attempt, task["id"], at=now)

    (row,) = (row for row in board(lesson.cohort, Question(), now=now.timestamp()).room.rows if row.passed)

    assert row.place.label == f"after 5.1.{len(tasks)}"


def test_students_with_the_same_cause_are_counted_and_shown_by_one_press(lesson: Lesson) -> None:
    for student in (lesson.ada, lesson.edsger):
        attempt = school.begin(student, producer_lab(), school.sandbox(student))
        school.fails(attempt, "arrive", CAUSE, times=3 if student is lesson.ada else 1)
    school.student(lesson.cohort, "barbara", first_name="Barbara", last_name="Liskov")

    page = lesson.get()
    address = re.search(r'class="what" id="[^"]*" href="([^"]*)"', page)

    assert "5.1.1 Get all fifty into the log before the program ends: Ada Lovelace, Edsger Dijkstra" in page
    assert "<b>1 stuck</b>" in page
    assert address
    assert names(lesson.get(address.group(1))) == ["Ada Lovelace", "Edsger Dijkstra"]


def test_a_check_that_is_broken_is_told_as_ours_and_makes_nobody_stuck(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, producer_lab(), school.sandbox(lesson.ada))
    school.is_judged(attempt, "arrive", "broken", cause="B-1a2b3c4d", sentence="Ours.")

    page = lesson.get()

    assert "A check failed on our side" in page
    assert "Nobody is stuck." in page


def test_a_sandbox_that_was_given_up_holds_its_student_up_with_its_cause(lesson: Lesson) -> None:
    school.sandbox(lesson.ada, "failed", failure_cause="broker_exited")
    school.sandbox(lesson.edsger, "failed", failure_cause="disk_full")
    barbara = school.student(lesson.cohort, "barbara", first_name="Barbara", last_name="Liskov")
    school.sandbox(barbara, "failed", failure_cause="broker_exited", retry_at=timezone.now())

    page = lesson.get()

    held = page[page.index('id="trouble"') :]
    assert "Our fault, and it is not tried any more" in held
    assert "They put in more than it may hold." in held
    assert "<b>2 sandboxes</b> failed and are not tried any more." in page
    address = re.search(r'class="what" id="g-sandboxbroker_exited" href="([^"]*)"', page)
    assert address
    assert names(lesson.get(address.group(1))) == ["Ada Lovelace"]


def test_rows_come_in_the_order_asked_for(lesson: Lesson) -> None:
    attempt = school.begin(lesson.edsger, producer_lab(), school.sandbox(lesson.edsger))
    school.passes(attempt, "arrive")
    stuck = school.begin(lesson.ada, producer_lab(), school.sandbox(lesson.ada))
    school.fails(stuck, "arrive", CAUSE, times=4, at=timezone.now() - timedelta(minutes=1))

    assert names(lesson.get()) == ["Edsger Dijkstra", "Ada Lovelace"]
    assert names(lesson.get("?sort=name")) == ["Ada Lovelace", "Edsger Dijkstra"]
    assert names(lesson.get("?sort=stuck")) == ["Ada Lovelace", "Edsger Dijkstra"]
    assert names(lesson.get("?show=stuck")) == ["Ada Lovelace"]
    assert names(lesson.get("?show=absent")) == []
    assert names(lesson.get("?sort=nonsense&labs=999")) == ["Edsger Dijkstra", "Ada Lovelace"]


def test_whoever_left_or_teaches_has_no_row(lesson: Lesson) -> None:
    Enrolment.objects.filter(user=lesson.ada).update(left_at=timezone.now())

    assert names(lesson.get()) == ["Edsger Dijkstra"]


def test_an_attempt_in_a_sandbox_that_is_gone_is_paused(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, producer_lab(), None)
    school.is_judged(attempt, "arrive", "waiting")
    school.sandbox(lesson.ada)

    row = lesson.get().split(f'id="s{lesson.ada.pk}"')[1].split("</tr>")[0]

    assert ">paused<" in row
    assert "<b>paused</b>" in row


@pytest.mark.parametrize("count", [0, 200])
def test_the_class_asks_the_database_as_often_for_two_as_for_two_hundred(
    lesson: Lesson, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for student in (lesson.ada, lesson.edsger):
        school.begin(student, producer_lab(), school.sandbox(student))
    school.fill(lesson.cohort, count)
    current_course()

    with django_assert_num_queries(6):
        shown = board(lesson.cohort, Question(), now=timezone.now().timestamp())

    assert len(shown.rows) == count + 2


def test_a_class_of_two_hundred_is_a_page_of_a_hundred_and_fifty_kilobytes(lesson: Lesson) -> None:
    school.fill(lesson.cohort, 198)

    page = lesson.get()

    assert len(names(page)) == 200
    assert len(page.encode()) <= 155_000


def test_labs_that_do_not_fit_side_by_side_have_pages_of_their_own(lesson: Lesson) -> None:
    labs = columns()

    pages = in_pages(labs, width=9)

    assert [[lab.id for lab in page] for page in pages] == [["3.1", "3.2"], ["5.1", "5.2"]]
    assert in_pages(labs, width=1) == tuple((lab,) for lab in labs)
    assert in_pages(()) == ()


def test_a_question_survives_its_address() -> None:
    asked = Question(sort="stuck", show="5.1/keys/KEY_MISSING", labs=2)

    assert question_of(QueryDict(asked.address[1:]).dict()) == asked
    assert question_of({}).address == "?"
    assert asked.showing("5.1/keys/KEY_MISSING").show == ""


@pytest.mark.parametrize(
    ("starts", "ends", "said"),
    [(3, None, "in 3 days"), (-30, -3, "Take the grades with you"), (-3, None, ""), (0, 0, "")],
)
def test_a_class_says_when_it_is(lesson: Lesson, starts: int, ends: int | None, said: str) -> None:
    today = timezone.localdate()
    lesson.cohort.starts_on = today + timedelta(days=starts)
    lesson.cohort.ends_on = None if ends is None else today + timedelta(days=ends)
    lesson.cohort.save()

    page = lesson.get()

    assert said in page
    assert ('class="note"' in page) is bool(said)


def test_an_empty_class_says_what_to_do_next(lesson: Lesson) -> None:
    Enrolment.objects.filter(role="student").delete()

    assert "Whoever runs this site adds students" in lesson.get()
    assert "manage.py enrol NAME" in lesson.get(viewer=make.admin("root"))
    for more in ("gradebook/", "people/", "rows/?parts=say.old"):
        assert lesson.get(more)


@pytest.mark.parametrize("role", ["instructor", "admin"])
def test_people_are_told_who_makes_accounts_and_how_whoever_asks(lesson: Lesson, role: str) -> None:
    page = lesson.get("people/", viewer=make.admin("root") if role == "admin" else lesson.grace)

    for said in ("Whoever runs this site makes accounts", "manage.py add_user NAME", "manage.py enrol NAME"):
        assert said in page


def test_a_class_before_any_course_is_loaded_still_shows_its_students(db: None) -> None:
    CourseVersion.objects.all().delete()
    forget_course()
    cohort, grace = make.cohort(), make.instructor("grace")
    make.enrolment(grace, cohort)
    ada = school.student(cohort, "ada", first_name="Ada")
    early = Lesson(cohort=cohort, grace=grace, ada=ada, edsger=ada)

    assert names(early.get()) == ["Ada"]
    assert "no lab yet" in early.get("gradebook/")
    assert early.get(f"{ada.pk}/")


# -- whose class it is -------------------------------------------------------------------------------------


def test_an_instructor_with_one_class_is_led_to_it_and_one_with_none_is_told(lesson: Lesson) -> None:
    browser = Client()
    browser.force_login(lesson.grace)
    assert browser.get("/class/")["Location"] == f"/class/{lesson.cohort.pk}/"

    second = make.cohort("Spring")
    make.enrolment(lesson.grace, second)
    listed = browser.get("/class/").content.decode()
    assert "Autumn" in listed
    assert "2 students" in listed
    assert "0 students" in listed

    browser.force_login(make.instructor("barbara"))
    told = browser.get("/class/").content.decode()
    assert "No class is yours" in told
    assert "manage.py enrol" in told


def test_a_class_of_somebody_else_and_a_student_of_another_class_are_not_there(lesson: Lesson) -> None:
    barbara, spring = make.instructor("barbara"), make.cohort("Spring")
    make.enrolment(barbara, spring)
    stranger = school.student(spring, "stranger")

    for more in ("", "rows/", "people/", "gradebook/", "gradebook.csv", f"{lesson.ada.pk}/"):
        assert lesson.status(more, barbara) == 404
        assert lesson.status(more, lesson.ada) == 404
    assert lesson.status(f"{stranger.pk}/", lesson.grace) == 404
    assert lesson.status(f"{lesson.grace.pk}/", lesson.grace) == 404


def test_a_student_who_left_is_not_shown_any_more(lesson: Lesson) -> None:
    Enrolment.objects.filter(user=lesson.ada).update(left_at=timezone.now())

    assert lesson.status(f"{lesson.ada.pk}/", lesson.grace) == 404
    assert "left" in lesson.get("people/")


def test_an_instructor_who_left_a_class_does_not_see_it(lesson: Lesson) -> None:
    Enrolment.objects.filter(user=lesson.grace).update(left_at=timezone.now())

    assert lesson.status("", lesson.grace) == 404
