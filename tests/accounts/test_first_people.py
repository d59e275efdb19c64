"""`manage.py ensure_demo_users`: the first admin's password once, demo accounts only where DEMO is on."""

from io import StringIO

import pytest
from django.core.management import call_command
from django.test import Client

from accounts import services
from accounts.models import Enrolment, Role, User
from tests import make

pytestmark = pytest.mark.django_db


def run() -> str:
    out = StringIO()
    call_command("ensure_demo_users", stdout=out)
    return out.getvalue()


@pytest.fixture
def demo(settings: object) -> None:
    settings.DEMO = True  # type: ignore[attr-defined]


@pytest.fixture
def no_demo(settings: object) -> None:
    settings.DEMO = False  # type: ignore[attr-defined]


def test_the_first_admins_password_is_printed_once(no_demo: None) -> None:
    first, second = run(), run()

    admin = User.objects.get(role=Role.ADMIN)
    printed = first.split("password ")[1].split("\n")[0]
    assert admin.check_password(printed)
    assert len(printed) >= 16
    assert "password" not in second


def test_every_installation_gets_another_admin_password(no_demo: None) -> None:
    first = services.ensure_first_admin()
    User.objects.all().delete()
    second = services.ensure_first_admin()

    assert first
    assert second
    assert first.password != second.password
    assert first.password not in repr(first)


def test_an_admin_gets_a_free_name_when_somebody_is_called_admin(no_demo: None) -> None:
    make.student("Admin")

    assert "First admin: admin2," in run()


def test_the_demo_class_has_a_student_and_an_instructor_who_may_see_her(demo: None) -> None:
    from accounts.selectors import may_see

    run()

    ada, grace = User.objects.get(username="ada"), User.objects.get(username="grace")
    assert (ada.role, grace.role) == (Role.STUDENT, Role.INSTRUCTOR)
    assert may_see(grace, ada)


def test_a_second_run_prints_the_same_demo_sign_ins_and_makes_nobody_new(demo: None) -> None:
    run()
    before = (User.objects.count(), Enrolment.objects.count())

    again = run()

    assert "Demo student: ada, password millrace-ada" in again
    assert (User.objects.count(), Enrolment.objects.count()) == before


def test_without_demo_nobody_with_a_known_password_is_made(no_demo: None) -> None:
    assert "Demo" not in run()
    assert not User.objects.filter(is_demo=True).exists()


def test_turning_demo_off_shuts_the_demo_accounts_and_their_sessions(demo: None, settings: object) -> None:
    run()
    client = Client()
    client.force_login(User.objects.get(username="ada"))

    settings.DEMO = False  # type: ignore[attr-defined]
    said = run()

    assert "Shut 3 demo accounts" in said
    assert not client.login(username="ada", password=services.demo_password("ada"))
    assert client.get("/accounts/password/change/").status_code == 302


def test_turning_demo_on_again_opens_them_with_their_work(demo: None, settings: object) -> None:
    run()
    services.shut_demo_class()

    run()

    assert User.objects.get(username="ada").is_active


def test_a_real_person_called_ada_is_left_alone(demo: None) -> None:
    make.user("ada", password=make.PASSWORD)

    said = run()

    ada = User.objects.get(username="ada")
    assert ada.check_password(make.PASSWORD)
    assert "Demo student: ada" not in said
    assert not ada.enrolments.exists()
