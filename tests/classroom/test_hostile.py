"""Names, classes, records and answers are text, wherever an instructor meets them."""

import pytest

from accounts.models import Cohort, User
from lessons.models import Answer, HintOpened
from tests.classroom import school
from tests.classroom.conftest import Lesson

pytestmark = pytest.mark.django_db

EVIL = "<img src=x onerror=alert(1)>"


def test_what_others_wrote_is_never_html(lesson: Lesson) -> None:
    User.objects.filter(pk=lesson.ada.pk).update(first_name=EVIL, last_name=EVIL)
    Cohort.objects.update(name=EVIL)
    attempt = school.begin(lesson.ada, school.labs()[0], school.sandbox(lesson.ada, detail=EVIL))
    evidence = [{"topic": EVIL, "partition": 0, "offset": 1, "key": EVIL, "note": EVIL, "at": 1.5}]
    school.fails(attempt, "predict", "CAUSE", times=3, sentence=EVIL, evidence=evidence)
    HintOpened.objects.create(user=lesson.ada, lab_id="3.1", task_id="predict", cause=EVIL, step=1)
    Answer.objects.create(
        user=lesson.ada, lesson_id=EVIL, kind="quiz", item_id=EVIL, answer=EVIL, first="x", right=False
    )

    for more in ("", "?show=" + EVIL, "?sort=stuck", "people/", "gradebook/", f"{lesson.ada.pk}/",
                 f"rows/?ids=s{lesson.ada.pk}&parts=say.x,trouble.x,feed.x,facets.x",
                 f"{lesson.ada.pk}/changes/?parts=who.x,lab-3-1.x,asked.x,box.x"):  # fmt: skip
        page = lesson.get(more)
        assert "<img src=x" not in page, more
    assert "&lt;img src=x onerror=alert(1)&gt;" in lesson.get(f"{lesson.ada.pk}/")


@pytest.mark.parametrize(
    "asked", ["ids=" + "s1." * 5000, "ids=,,,.,..", "parts=" + "," * 9000, "labs=٣&sort=%00"]
)
def test_an_address_that_makes_no_sense_does_no_harm(lesson: Lesson, asked: str) -> None:
    assert lesson.status(f"rows/?{asked}", lesson.grace) in {200, 204}
    assert lesson.status(f"?{asked}", lesson.grace) == 200


def test_a_hint_shows_its_code_and_nothing_else_of_it_is_html() -> None:
    from lessons.templatetags.spans import code_spans

    assert code_spans("Call `flush()` <b>now</b>.") == "Call <code>flush()</code> &lt;b&gt;now&lt;/b&gt;."
