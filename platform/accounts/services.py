"""What the site asks of accounts: people to begin with."""

import secrets
from dataclasses import dataclass, field

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.models import Cohort, Enrolment, Role, User

DEMO_COHORT = "Demo class"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """A user name and the password that goes with it, to be shown to a person once."""

    username: str
    role: Role
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Person:
    username: str
    first_name: str
    last_name: str
    role: Role


DEMO_PEOPLE = (
    _Person(username="ada", first_name="Ada", last_name="Lovelace", role=Role.STUDENT),
    _Person(username="edsger", first_name="Edsger", last_name="Dijkstra", role=Role.STUDENT),
    _Person(username="grace", first_name="Grace", last_name="Hopper", role=Role.INSTRUCTOR),
)


def demo_password(username: str) -> str:
    """The password of a demo account: easy to type and no secret."""
    return f"millrace-{username}"


@transaction.atomic
def ensure_first_admin() -> SignIn | None:
    """Make the first admin with a generated password, which is kept nowhere; None when there is an admin."""
    if User.objects.filter(role=Role.ADMIN).exists():
        return None
    username = _free_username("admin")
    password = secrets.token_urlsafe(12)
    User.objects.create_user(username, password=password, role=Role.ADMIN)
    return SignIn(username=username, password=password, role=Role.ADMIN)


class CannotAdd(Exception):
    """The account cannot be made; the text says why."""


@transaction.atomic
def add_user(username: str, *, role: Role = Role.STUDENT, email: str = "") -> SignIn:
    """Make an account with a generated password, which is kept nowhere. Raises CannotAdd."""
    password = secrets.token_urlsafe(12)
    user = User(username=User.normalize_username(username), email=email, role=role)
    user.set_password(password)
    try:
        user.full_clean()
    except ValidationError as error:
        raise CannotAdd(" ".join(error.messages)) from error
    user.save()
    return SignIn(username=user.username, password=password, role=role)


@transaction.atomic
def open_demo_class() -> tuple[SignIn, ...]:
    """Make the demo people and their cohort, or open them again; the same every time.

    A name that a real person has taken is left to them.
    """
    cohort, _ = Cohort.objects.get_or_create(name=DEMO_COHORT, defaults={"starts_on": timezone.localdate()})
    return tuple(sign_in for person in DEMO_PEOPLE if (sign_in := _open_demo_user(person, cohort)))


def shut_demo_class() -> int:
    """Shut every demo account and return how many were open. Their work is kept."""
    return User.objects.filter(is_demo=True, is_active=True).update(is_active=False)


def _open_demo_user(person: _Person, cohort: Cohort) -> SignIn | None:
    user = User.objects.filter(username__iexact=person.username).first() or _make_demo_user(person)
    if not user.is_demo:
        return None
    if not user.is_active:
        User.objects.filter(pk=user.pk).update(is_active=True)
    Enrolment.objects.get_or_create(user=user, cohort=cohort, defaults={"role": person.role})
    return SignIn(username=user.username, password=demo_password(user.username), role=person.role)


def _make_demo_user(person: _Person) -> User:
    return User.objects.create_user(
        person.username,
        password=demo_password(person.username),
        first_name=person.first_name,
        last_name=person.last_name,
        role=person.role,
        is_demo=True,
    )


def _free_username(wished: str) -> str:
    """`wished`, or `wished` with the first number that nobody has."""
    names = (wished, *(f"{wished}{number}" for number in range(2, 1000)))
    return next(name for name in names if not User.objects.filter(username__iexact=name).exists())
