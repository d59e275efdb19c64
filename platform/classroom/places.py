"""Giving and taking places in a class. A place that is taken leaves what was done in it."""

from datetime import date

from django.db import transaction
from django.utils import timezone

from accounts.models import Cohort, Enrolment, Role, User


class NoPlace(Exception):
    """The place cannot be given or taken; the text says why and what to do."""


@transaction.atomic
def give_place(
    username: str,
    cohort_name: str,
    *,
    role: Role | None = None,
    begins: date | None = None,
    ends: date | None = None,
) -> Enrolment:
    """Put somebody in a class, or back in it; with `begins`, make the class where there is none.

    role: None keeps that of a place there has been, and makes a new one a student's.
    """
    user = _user(username)
    if role == Role.INSTRUCTOR and not user.is_staff_member:
        raise NoPlace(f"{user.username} is a student. Make an account with --role instructor first.")
    cohort = _cohort(cohort_name, begins, ends)
    again = {"left_at": None} | ({"role": role} if role else {})
    place, _ = Enrolment.objects.update_or_create(
        user=user,
        cohort=cohort,
        defaults=again,
        create_defaults={"role": role or Role.STUDENT},
    )
    return place


def take_place(username: str, cohort_name: str) -> Enrolment:
    """Take somebody out of a class, as of now."""
    place = Enrolment.objects.filter(user=_user(username), cohort__name=cohort_name, left_at=None).first()
    if place is None:
        raise NoPlace(f"{username} has no place in {cohort_name}, so there is none to take.")
    place.left_at = timezone.now()
    place.save(update_fields=["left_at"])
    return place


def _user(username: str) -> User:
    user = User.objects.filter(username__iexact=username).first()
    if user is None:
        raise NoPlace(f"There is no account called {username}. Make one: manage.py add_user {username}")
    return user


def _cohort(name: str, begins: date | None, ends: date | None) -> Cohort:
    cohort = Cohort.objects.filter(name=name).first()
    if cohort is not None:
        return cohort
    if begins is None:
        raise NoPlace(f"There is no class called {name}. To make it, say when: --begins YYYY-MM-DD")
    if ends is not None and ends < begins:
        raise NoPlace("The class would end before it begins.")
    return Cohort.objects.create(name=name, starts_on=begins, ends_on=ends)
