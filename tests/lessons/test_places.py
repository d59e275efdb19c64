"""The course goes on where somebody stopped, on whatever machine; and what strangers are shown of it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from lessons.models import LabVersion, Place, TaskProgress
from tests import make
from tests.lessons import rows

pytestmark = pytest.mark.django_db

PLACE = "/lessons/first/place/"


@pytest.fixture
def version(tmp_path: Path, settings: Any) -> LabVersion:
    return rows.load_small_course(tmp_path, settings)


@pytest.fixture
def ada(version: LabVersion) -> User:
    return make.student("ada")


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def home(user: User) -> str:
    return browser(user).get("/").content.decode()


def test_the_section_that_is_read_on_one_machine_is_where_another_goes_on(ada: User) -> None:
    assert browser(ada).post(PLACE, {"anchor": "predict-guess"}).status_code == 204
    assert browser(ada).post(PLACE, {"anchor": "record"}).status_code == 204

    shown = home(ada)

    assert Place.objects.filter(user=ada).count() == 1
    assert 'href="/lessons/first/#record">Go on with lesson 1' in shown
    assert "You were at “A record”." in shown
    assert 'class="stop now" href="/lessons/first/#record"' in shown


@pytest.mark.parametrize("anchor", ["", "nowhere", "../../x", "<b>"])
def test_a_place_that_the_lesson_does_not_have_is_not_kept(ada: User, anchor: str) -> None:
    assert browser(ada).post(PLACE, {"anchor": anchor}).status_code == 204
    assert not Place.objects.exists()


def test_a_lab_that_was_worked_on_since_is_where_it_goes_on(ada: User, version: LabVersion) -> None:
    Place.objects.create(
        user=ada, lesson_id="first", anchor="record", at=timezone.now() - timedelta(minutes=5)
    )
    rows.attempt(ada, version, rows.sandbox(ada))

    assert 'href="/lessons/first/#lab-one">Go on with lesson 1' in home(ada)


def test_reading_after_the_lab_goes_on_with_reading(ada: User, version: LabVersion) -> None:
    rows.attempt(ada, version, rows.sandbox(ada))
    TaskProgress.objects.update(judged_at=timezone.now() - timedelta(minutes=5))
    TaskProgress.objects.update(activated_at=timezone.now() - timedelta(minutes=9))
    browser(ada).post(PLACE, {"anchor": "record"})

    assert 'href="/lessons/first/#record">Go on with lesson 1' in home(ada)


def test_nobody_elses_place_is_shown(ada: User) -> None:
    browser(make.student("edsger")).post(PLACE, {"anchor": "record"})

    shown = home(ada)

    assert "Begin here" in shown
    assert 'href="/lessons/first/">Open lesson 1' in shown


def test_the_header_of_a_lesson_ticks_what_is_done(ada: User, version: LabVersion) -> None:
    before = browser(ada).get("/lessons/first/").content.decode()
    rows.attempt(ada, version, rows.sandbox(ada))
    TaskProgress.objects.update(passed_at=timezone.now(), state="pass")

    after = browser(ada).get("/lessons/first/").content.decode()

    assert 'aria-label="0 of 2 lessons done"><i class=" now"></i><i class=""></i>' in before
    assert 'aria-label="1 of 2 lessons done"><i class="done now"></i><i class=""></i>' in after


def test_strangers_are_told_what_the_course_is_and_how_far_it_is_written(version: LabVersion) -> None:
    shown = Client().get("/").content.decode()

    assert "1 of 2 lessons, 1 lab" in shown
    assert "The first lesson" in shown
    assert "Sign in to begin" in shown
    assert "The second lesson" not in shown
    assert "/lessons/first/" not in shown


def test_strangers_are_welcome_before_a_course_is_loaded() -> None:
    shown = Client().get("/")

    assert shown.status_code == 200
    assert "Sign in to begin" in shown.content.decode()
