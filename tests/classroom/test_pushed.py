"""What is asked for again: only what differs, in its place, and the line that says how much would move."""

import re

import pytest
from django.test import Client

from classroom.pushed import out_of_place
from tests import make
from tests.classroom import school
from tests.classroom.conftest import Lesson

pytestmark = pytest.mark.django_db


def held(page: str, *, rows: bool) -> str:
    """What a browser that shows this page has."""
    tags = re.findall(r'<(\w+)[^>]* id="([\w-]+)"[^>]* data-v="(\w+)"', page)
    is_row = {name: tag == "tr" and name != "passed" for tag, name, _ in tags}
    wanted = (f"{name}.{stamp}" for _, name, stamp in tags if is_row[name] is rows)
    return ",".join(wanted)


def ask(lesson: Lesson, page: str, more: str = "rows/") -> tuple[int, str]:
    browser = Client()
    browser.force_login(lesson.grace)
    asked = f"ids={held(page, rows=True)}&parts={held(page, rows=False)}"
    answer = browser.get(f"/class/{lesson.cohort.pk}/{more}{'&' if '?' in more else '?'}{asked}")
    return answer.status_code, answer.content.decode()


def test_a_page_to_which_nothing_happened_gets_nothing(lesson: Lesson) -> None:
    school.begin(lesson.ada, school.labs()[0], school.sandbox(lesson.ada))

    assert ask(lesson, lesson.get()) == (204, "")


def test_only_the_row_that_changed_is_sent_with_what_is_said_of_it(lesson: Lesson) -> None:
    attempt = school.begin(lesson.ada, school.labs()[0], school.sandbox(lesson.ada))
    page = lesson.get("?sort=name")

    school.passes(attempt, "predict")
    status, parts = ask(lesson, page, "rows/?sort=name")

    assert status == 200
    assert re.findall(r'<template><tr [^>]*id="(\w+)"', parts) == [f"s{lesson.ada.pk}", "passed"]
    assert re.findall(r'<(?:p|nav|section)[^>]* id="(\w+)"[^>]*hx-swap-oob', parts) == ["say", "feed"]
    assert f'id="s{lesson.edsger.pk}"' not in parts


def test_a_row_is_sent_when_it_is_asked_for_by_its_name_alone(lesson: Lesson) -> None:
    browser = Client()
    browser.force_login(lesson.grace)

    answer = browser.get(f"/class/{lesson.cohort.pk}/rows/?ids=s{lesson.ada.pk},s999999,nonsense,,")

    assert re.findall(r'<tr id="(\w+)"', answer.content.decode()) == [f"s{lesson.ada.pk}"]


def test_the_page_says_how_many_rows_would_move(lesson: Lesson) -> None:
    attempt = school.begin(lesson.edsger, school.labs()[0], school.sandbox(lesson.edsger))
    page = lesson.get()
    assert page.index("Ada Lovelace") < page.index("Edsger Dijkstra")

    school.passes(attempt, "predict")
    browser = Client()
    browser.force_login(lesson.grace)
    order = f"s{lesson.ada.pk}.0,s{lesson.edsger.pk}.0"
    answer = browser.get(f"/class/{lesson.cohort.pk}/rows/", {"ids": order, "parts": "moved.0"})

    assert "1 row would come, go or move." in answer.content.decode()


@pytest.mark.parametrize(
    ("shown", "wanted", "count"),
    [
        ("abcd", "abcd", 0),
        ("abcd", "bacd", 1),
        ("abcd", "dabc", 1),
        ("abcd", "dcba", 3),
        ("abc", "abcd", 1),
        ("abcd", "acd", 1),
        ("", "ab", 2),
        ("ab", "", 2),
    ],
)
def test_as_few_rows_as_can_be_are_counted_as_moved(shown: str, wanted: str, count: int) -> None:
    assert out_of_place(list(shown), list(wanted)) == count


def test_one_students_page_gets_the_lab_that_changed_and_one_that_is_new(lesson: Lesson) -> None:
    first, second = school.labs()[:2]
    box = school.sandbox(lesson.ada)
    attempt = school.begin(lesson.ada, first, box)
    page = lesson.get(f"{lesson.ada.pk}/")

    school.fails(attempt, "predict", "NOT_WRITTEN")
    school.begin(lesson.ada, second, box)
    status, parts = ask(lesson, page, f"{lesson.ada.pk}/changes/")

    assert status == 200
    assert re.findall(r'id="(lab-[\d-]+)"[^>]*hx-swap-oob="true"', parts) == ["lab-3-1"]
    added = parts[parts.index('<div hx-swap-oob="afterbegin:#labs">') :]
    assert re.findall(r'<section class="sec" id="([\w-]+)"', added) == ["lab-3-2"]
    assert "NOT_WRITTEN" in parts


def test_nothing_of_anybody_else_can_be_asked_for(lesson: Lesson) -> None:
    stranger = school.student(make.cohort("Spring"), "stranger")
    browser = Client()
    browser.force_login(lesson.grace)

    answer = browser.get(f"/class/{lesson.cohort.pk}/rows/?ids=s{stranger.pk}")

    assert answer.status_code == 204
