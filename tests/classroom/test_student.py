"""One student's page: everything that was judged, and nothing that could be changed but the time."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from classroom.student import student_page
from lessons.models import Answer, Attempt, HintOpened, LabVersion, TaskProgress
from lessons.selectors import current_course
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent
from tests.classroom import school
from tests.classroom.conftest import Lesson

pytestmark = pytest.mark.django_db


def lab(lab_id: str = "5.1") -> LabVersion:
    return next(lab for lab in school.labs() if lab.lab_id == lab_id)


def test_every_verdict_is_there_with_its_cause_its_sentence_and_its_evidence(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, lab(), school.sandbox(lesson.ada))
    school.fails(
        attempt, "arrive", "LOST_AT_EXIT", sentence="Only 12 of 50 arrived.", evidence=school.EVIDENCE
    )
    school.is_judged(
        attempt, "arrive", "broken", cause="B-1a2b3c4d", sentence="This check failed on our side."
    )
    school.passes(attempt, "arrive")

    page = lesson.get(f"{lesson.ada.pk}/")

    for shown in ("Only 12 of 50 arrived.", "LOST_AT_EXIT", "task.created", "P2 : 2411", "no key",
                  "B-1a2b3c4d", "ours, not counted", "3 in 1 attempt"):  # fmt: skip
        assert shown in page


def test_attempts_that_were_begun_anew_keep_their_verdicts(lesson: Lesson) -> None:
    box = school.sandbox(lesson.ada)
    first = school.begin(lesson.ada, lab(), box, at=timezone.now() - timedelta(hours=1))
    school.fails(first, "arrive", "LOST_AT_EXIT", sentence="The first time.")
    TaskProgress.objects.filter(attempt=first).delete()
    Attempt.objects.filter(pk=first.pk).update(ended_at=timezone.now())
    school.begin(lesson.ada, lab(), box)

    page = lesson.get(f"{lesson.ada.pk}/")

    assert "The first time." in page
    assert "Attempt 1, begun" in page
    assert "begun anew" in page
    assert "Attempt 2, begun" in page


def test_hints_answers_and_predictions_are_told_in_words(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, lab(), school.sandbox(lesson.ada))
    school.fails(attempt, "arrive", "LOST_AT_EXIT")
    HintOpened.objects.create(user=lesson.ada, lab_id="5.1", task_id="arrive", cause="LOST_AT_EXIT", step=2)
    Answer.objects.create(
        user=lesson.ada, lesson_id="mental-model", kind="quiz", item_id="reading", answer="nothing",
        first="removed", right=True, tries=2,
    )  # fmt: skip
    Answer.objects.create(
        user=lesson.ada, lesson_id="mental-model", kind="predict", item_id="spread", answer="a", first="a"
    )
    Answer.objects.create(
        user=lesson.ada, lesson_id="gone", kind="quiz", item_id="old-one", answer="7", first="7", right=False
    )

    page = lesson.get(f"{lesson.ada.pk}/")

    for shown in (
        "a pointer for",
        "A consumer reads the record at offset 41. What has changed in the log?",
        "position has moved.",
        "The record is gone once it was delivered.",
        "2 tries",
        "20, 20, 20.",
        "old-one",
    ):
        assert shown in page


def test_the_sandbox_is_told_with_its_life_and_its_faults(lesson: Lesson) -> None:
    box = school.sandbox(lesson.ada)
    FaultRecord.objects.create(sandbox=box, kind="latency", ms=400, deadline=timezone.now())
    SandboxEvent.act(box, "extend", actor="student")

    page = lesson.get(f"{lesson.ada.pk}/")

    for shown in (
        "In use",
        "a program ran",
        "Kept awake for another while",
        "latency",
        "still in",
        box.reference,
    ):
        assert shown in page
    assert "/console/" not in page


def test_a_student_without_anything_has_a_page_that_says_so(lesson: Lesson) -> None:
    page = lesson.get(f"{lesson.ada.pk}/")

    for shown in (
        "nothing done yet",
        "No lab was begun yet",
        "No question was answered yet",
        "has no sandbox now",
    ):
        assert shown in page


def test_points_given_on_another_version_of_a_lab_stay_and_are_marked(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, lab(), school.sandbox(lesson.ada))
    school.passes(attempt, "arrive")
    TaskProgress.objects.filter(task_id="arrive").update(points=3, passed_digest="another")

    page = lesson.get(f"{lesson.ada.pk}/")

    assert "3 points" in page
    assert "Passed on another version of this lab" in page


@pytest.mark.parametrize("times", [1, 40])
def test_one_student_costs_as_many_queries_however_much_was_judged(
    lesson: Lesson, times: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    box = school.sandbox(lesson.ada)
    for one in school.labs():
        attempt = school.begin(lesson.ada, one, box)
        school.fails(attempt, school.tasks(one)[0]["id"], "ANY", times=times)
    current_course()

    with django_assert_num_queries(14):
        page = student_page(lesson.ada, now=timezone.now())

    assert sum(lab.results for lab in page.labs) == 4 * times


# -- giving time -------------------------------------------------------------------------------------------


def post(lesson: Lesson, who: object) -> str:
    browser = Client()
    browser.force_login(lesson.grace)
    answer = browser.post(f"/class/{lesson.cohort.pk}/{lesson.ada.pk}/keep-awake/", follow=True)
    return str(answer.content.decode())


def test_an_instructor_may_give_time_and_it_is_written_down_by_whom(lesson: Lesson) -> None:
    box = school.sandbox(lesson.ada)

    page = post(lesson, lesson.ada)

    box.refresh_from_db()
    event = box.events.get(new="hold")
    assert box.held_until is not None
    assert timedelta(minutes=29) < box.held_until - timezone.now() <= timedelta(minutes=30)
    assert (event.by, event.actor) == (lesson.grace, "instructor")
    assert "The sandbox of Ada Lovelace stays awake until" in page
    assert "Grace Hopper, instructor" in page


def test_time_cannot_be_given_to_a_sandbox_that_sleeps_or_is_not_there(lesson: Lesson) -> None:
    assert "has no sandbox now, so there is nothing to keep awake" in post(lesson, lesson.ada)

    school.sandbox(lesson.ada, "suspended")
    page = post(lesson, lesson.ada)

    assert "cannot be kept awake" in page
    assert "Keep awake 30 min" not in page
    assert Sandbox.objects.get().held_until is None


def test_giving_time_does_not_count_as_the_students_own_use(lesson: Lesson) -> None:
    box = school.sandbox(lesson.ada, used_at=timezone.now() - timedelta(minutes=20))

    post(lesson, lesson.ada)

    used = box.last_activity_at
    box.refresh_from_db()
    assert box.last_activity_at == used


def test_the_page_reads_no_judges_and_no_starters(
    lesson: Lesson, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    school.passes(school.begin(lesson.ada, lab(), school.sandbox(lesson.ada)), "arrive")
    former = LabVersion.objects.create(digest="0" * 64, lab_id="9.9", spec={**lab().spec, "id": "9.9"})
    school.begin(lesson.ada, former, None)

    with django_assert_max_num_queries(30) as asked:
        labs = student_page(lesson.ada, now=timezone.now()).labs

    assert {story.column.id for story in labs} == {"5.1", "9.9"}
    read = " ".join(query["sql"] for query in asked.captured_queries)
    assert not any(column in read for column in ('"checks"', '"starter"', '"workload"', '"brief"'))


def test_a_lab_is_done_when_every_task_that_it_has_now_was_passed(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, lab(), None)
    TaskProgress.objects.create(user=lesson.ada, lab_id="5.1", task_id="former", attempt=attempt)
    for task in school.tasks(lab()):
        school.passes(attempt, task["id"])

    assert [lab.state for lab in student_page(lesson.ada, now=timezone.now()).labs] == ["done"]
    TaskProgress.objects.filter(task_id=school.tasks(lab())[0]["id"]).delete()
    assert [lab.state for lab in student_page(lesson.ada, now=timezone.now()).labs] != ["done"]
