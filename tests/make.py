"""Rows for tests: plain functions, each making one thing; name only what matters to the test."""

from datetime import date
from itertools import count

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY

from accounts.models import Cohort, Enrolment, Role, User
from accounts.session_store import SessionStore

PASSWORD = "correct horse battery staple"

_numbers = count(1)


def user(
    username: str = "", *, role: Role = Role.STUDENT, password: str = PASSWORD, **fields: object
) -> User:
    name = username or f"user-{next(_numbers)}"
    made = User(username=name, role=role, **fields)
    made.set_password(password)
    made.save()
    return made


def student(username: str = "", **fields: object) -> User:
    return user(username, role=Role.STUDENT, **fields)  # type: ignore[arg-type]


def instructor(username: str = "", **fields: object) -> User:
    return user(username, role=Role.INSTRUCTOR, **fields)  # type: ignore[arg-type]


def admin(username: str = "", **fields: object) -> User:
    return user(username, role=Role.ADMIN, **fields)  # type: ignore[arg-type]


def cohort(name: str = "", *, starts_on: date = date(2026, 2, 2), ends_on: date | None = None) -> Cohort:
    return Cohort.objects.create(
        name=name or f"Cohort {next(_numbers)}", starts_on=starts_on, ends_on=ends_on
    )


def enrolment(user: User, cohort: Cohort) -> Enrolment:
    """A place in the cohort, in the user's own role."""
    return Enrolment.objects.create(user=user, cohort=cohort, role=user.role)


def session(user: User) -> SessionStore:
    """One in which the user is signed in, without a page."""
    made = SessionStore()
    made[SESSION_KEY] = str(user.pk)
    made[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    made[HASH_SESSION_KEY] = user.get_session_auth_hash()
    made.save()
    return made
