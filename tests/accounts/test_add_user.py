"""`manage.py add_user`: an account by hand, its password printed once."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from accounts.models import Role, User

pytestmark = pytest.mark.django_db


def add(*words: str) -> str:
    out = StringIO()
    call_command("add_user", *words, stdout=out)
    return out.getvalue()


def test_the_printed_password_signs_in(client: Client) -> None:
    printed = add("linus", "--role", "instructor", "--email", "linus@example.org")

    password = printed.split("password ")[1].split("\n")[0]
    user = User.objects.get(username="linus")
    assert (user.role, user.email) == (Role.INSTRUCTOR, "linus@example.org")
    assert client.login(username="linus", password=password)


def test_an_account_is_a_students_unless_said_otherwise() -> None:
    add("linus")

    assert User.objects.get(username="linus").role == Role.STUDENT


@pytest.mark.parametrize(
    "words", [("Linus",), ("two words",), ("new", "--email", "nonsense"), ("new", "--email", "L@example.org")]
)
def test_a_name_or_address_that_is_taken_or_odd_is_refused_in_a_sentence(words: tuple[str, ...]) -> None:
    add("linus", "--email", "l@example.org")

    with pytest.raises(CommandError):
        add(*words)

    assert User.objects.count() == 1
