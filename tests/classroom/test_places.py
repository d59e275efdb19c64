"""`manage.py enrol`: places in a class are given and taken, and refused in a sentence."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from accounts.models import Cohort, Enrolment
from accounts.selectors import may_see
from tests import make

pytestmark = pytest.mark.django_db


def enrol(*words: str) -> str:
    out = StringIO()
    call_command("enrol", *words, stdout=out)
    return out.getvalue()


def test_a_class_is_made_and_an_instructor_sees_who_is_put_in_it() -> None:
    grace, ada = make.instructor("grace"), make.student("ada")

    enrol("grace", "Autumn", "--as", "instructor", "--begins", "2026-10-05", "--ends", "2027-01-29")
    said = enrol("ADA", "Autumn")

    assert said == "ada is student in Autumn.\n"
    assert str(Cohort.objects.get().ends_on) == "2027-01-29"
    assert may_see(grace, ada)


def test_a_place_that_is_taken_can_be_given_again() -> None:
    make.student("ada")
    enrol("ada", "Autumn", "--begins", "2026-10-05")

    assert enrol("ada", "Autumn", "--leave") == "ada has left Autumn.\n"
    assert Enrolment.objects.get().left_at is not None
    enrol("ada", "Autumn")
    assert Enrolment.objects.get().left_at is None


def test_an_instructor_who_is_enrolled_again_stays_one() -> None:
    make.instructor("grace")
    enrol("grace", "Autumn", "--as", "instructor", "--begins", "2026-10-05")

    assert enrol("grace", "Autumn") == "grace is instructor in Autumn.\n"
    assert enrol("grace", "Autumn", "--as", "student") == "grace is student in Autumn.\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nobody", "Autumn"), "manage.py add_user nobody"),
        (("ada", "Autumn"), "--begins"),
        (("ada", "Autumn", "--begins", "2026-10-05", "--ends", "2026-10-04"), "before it begins"),
        (("ada", "Autumn", "--begins", "2026-10-05", "--as", "instructor"), "is a student"),
        (("ada", "Autumn", "--leave"), "no place"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_next_step(words: tuple[str, ...], said: str) -> None:
    make.student("ada")

    with pytest.raises(CommandError, match=said):
        enrol(*words)

    assert not Enrolment.objects.exists()
