"""Points per lab, as they were given; and the file for a spreadsheet, which runs nothing."""

import csv
import zlib
from io import StringIO

import pytest
from django.test import AsyncClient
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from classroom.export import file_name, plain
from classroom.gradebook import gradebook, spread
from lessons.models import TaskProgress
from lessons.selectors import current_course
from tests.classroom import school
from tests.classroom.conftest import Lesson

pytestmark = pytest.mark.django_db


def table(lesson: Lesson) -> list[dict[str, str]]:
    text = lesson.get("gradebook.csv")
    assert text.startswith("\ufeff")
    return list(csv.DictReader(StringIO(text[1:])))


def pass_first_task_of(user: User, lab_id: str) -> None:
    lab = next(lab for lab in school.labs() if lab.lab_id == lab_id)
    school.passes(school.begin(user, lab, None), school.tasks(lab)[0]["id"])


def test_points_are_added_up_by_lab_and_in_all(lesson: Lesson) -> None:
    pass_first_task_of(lesson.ada, "5.1")
    pass_first_task_of(lesson.ada, "3.1")

    book = gradebook(lesson.cohort)
    by_name = {row.name: row for row in book.rows}

    assert [lab.id for lab in book.labs] == ["3.1", "3.2", "5.1", "5.2"]
    assert [grade.points for grade in by_name["Ada Lovelace"].grades] == [1, None, 4, None]
    assert (by_name["Ada Lovelace"].total, by_name["Edsger Dijkstra"].total, book.points) == (5, 0, 38)
    assert book.median == 2.5
    page = lesson.get("gradebook/")
    assert "<b>2.5 of 38</b>" in page
    assert "The bars above a column count the students" in page


def test_a_lab_that_is_revised_changes_no_mark(lesson: Lesson) -> None:
    pass_first_task_of(lesson.ada, "5.1")
    TaskProgress.objects.filter(passed_at__isnull=False).update(points=2, passed_digest="an older one")

    assert table(lesson)[0]["Lab 5.1 (of 10)"] == "2"
    assert "passed on another version of the lab" in lesson.get("gradebook/")


def test_points_of_a_task_that_the_course_has_no_longer_keep_a_column(lesson: Lesson) -> None:
    pass_first_task_of(lesson.ada, "5.1")
    TaskProgress.objects.filter(passed_at__isnull=False).update(lab_id="9.9", task_id="former")

    ada = table(lesson)[0]

    assert ada["9.9.1 former (of 4)"] == "4"
    assert ada["Lab 9.9 (of 4)"] == "4"
    assert ada["Total (of 42)"] == "4"


def test_the_file_has_a_row_per_student_and_a_column_per_task_and_lab(lesson: Lesson) -> None:
    pass_first_task_of(lesson.ada, "5.1")

    ada, edsger = table(lesson)

    assert (ada["User name"], ada["Name"], ada["5.1.1 arrive (of 4)"], ada["5.1.2 keys (of 2)"]) == (
        "ada", "Ada Lovelace", "4", "",
    )  # fmt: skip
    assert len(ada) == 3 + 16 + 4 + 1
    assert edsger["Total (of 38)"] == "0"


@pytest.mark.parametrize(
    "hostile",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        " =1",
        "\uff1d1",
        '=HYPERLINK("http://evil.example","x")',
    ],
)
def test_a_name_that_is_a_formula_stays_text_in_a_spreadsheet(lesson: Lesson, hostile: str) -> None:
    User.objects.filter(pk=lesson.ada.pk).update(first_name=hostile, last_name="x")

    cell = next(row["Name"] for row in table(lesson) if row["User name"] == "ada")

    assert cell == f"'{hostile} x".replace(f"'{hostile}", f"'{hostile.strip()}")


def test_numbers_stay_numbers_and_plain_names_stay_as_they_are() -> None:
    assert plain(-3) == -3
    assert plain("Jean-Luc") == "Jean-Luc"
    assert plain("") == ""


def test_the_file_is_named_for_the_class_whatever_it_is_called() -> None:
    today = timezone.localdate().replace(2026, 11, 23)

    assert file_name('Autumn "A"/..\r\n', today) == "marks-autumn-a-2026-11-23.csv"
    assert file_name("日本", today) == "marks-class-2026-11-23.csv"


@pytest.mark.django_db(transaction=True)
async def test_the_file_is_whole_for_who_reads_one_compressed_piece_as_browsers_do() -> None:
    from asgiref.sync import sync_to_async

    from tests import make

    def prepare() -> tuple[AsyncClient, int]:
        school.open_course()
        cohort, grace = make.cohort(), make.instructor("grace")
        make.enrolment(grace, cohort)
        school.student(cohort, "ada")
        browser = AsyncClient()
        browser.force_login(grace)
        return browser, cohort.pk

    browser, cohort = await sync_to_async(prepare)()
    answer = await browser.get(f"/class/{cohort}/gradebook.csv", headers={"Accept-Encoding": "gzip"})
    assert answer.headers["Content-Encoding"] == "gzip"

    piece = zlib.decompressobj(wbits=31)
    lines = piece.decompress(b"".join(answer)).decode().splitlines()
    assert piece.eof
    assert piece.unused_data == b""
    assert len(lines) == 2
    assert lines[1].startswith("ada,ada,")


@pytest.mark.parametrize("count", [0, 200])
def test_the_gradebook_asks_the_database_as_often_for_two_as_for_two_hundred(
    lesson: Lesson, count: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    pass_first_task_of(lesson.ada, "5.1")
    school.fill(lesson.cohort, count)
    current_course()

    with django_assert_num_queries(6):
        assert len(gradebook(lesson.cohort).rows) == count + 2


def test_the_spread_of_points_is_drawn_from_nothing_to_everything() -> None:
    assert [(bar.x, bar.height) for bar in spread([0, 0, 10, 10, 10, 10], 10)] == [(0, 10), (7, 20)]
    assert spread([], 10) == ()
    assert [bar.x for bar in spread([3], 0)] == [0]
