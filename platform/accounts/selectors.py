"""Who may see whom, and when. Every page and socket that shows a student's things asks here.

Everybody sees themselves. An admin sees everybody. An instructor sees the students of a cohort that the
instructor teaches, while both have a place in it and until GRACE after the cohort's last day, when grades are
still being settled. Nobody else sees anybody.
"""

from datetime import timedelta

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Cohort, Enrolment, Role, User

GRACE = timedelta(days=60)


def visible_users(viewer: User | AnonymousUser) -> QuerySet[User]:
    """Every user whose work `viewer` may look at, the viewer included."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return User.objects.none()
    if viewer.role == Role.ADMIN:
        return User.objects.all()
    if viewer.role == Role.INSTRUCTOR:
        return User.objects.filter(Q(pk=viewer.pk) | Q(Exists(_student_places_under(viewer))))
    return User.objects.filter(pk=viewer.pk)


def may_see(viewer: User | AnonymousUser, owner: User) -> bool:
    """May `viewer` look at what belongs to `owner`: work, verdicts, sandbox? No query for oneself."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return False
    return viewer.pk == owner.pk or visible_users(viewer).filter(pk=owner.pk).exists()


def may_change(viewer: User | AnonymousUser, owner: User) -> bool:
    """May `viewer` act on what belongs to `owner`: stop a sandbox, run a program? Owner and admin only."""
    if not isinstance(viewer, User) or not viewer.is_active:
        return False
    return viewer.pk == owner.pk or viewer.role == Role.ADMIN


def cohorts_taught_by(instructor: User) -> QuerySet[Cohort]:
    """The cohorts in which `instructor` has an instructor's place and that are not closed."""
    return Cohort.objects.filter(_open_cohort("")).filter(
        enrolments__user=instructor, enrolments__role=Role.INSTRUCTOR, enrolments__left_at=None
    )


def current_cohort(user: User) -> Cohort | None:
    """The cohort to show beside the user's name: the one joined last that is not closed."""
    place = (
        Enrolment.objects.filter(_open_cohort("cohort__"), user=user, left_at=None)
        .select_related("cohort")
        .order_by("-joined_at")
        .first()
    )
    return place.cohort if place else None


def _student_places_under(instructor: User) -> QuerySet[Enrolment]:
    """The student's places of the outer query's user in the cohorts that `instructor` teaches."""
    return Enrolment.objects.filter(
        user=OuterRef("pk"),
        role=Role.STUDENT,
        left_at=None,
        cohort__in=cohorts_taught_by(instructor),
    )


def _open_cohort(path: str) -> Q:
    """A cohort that is still open, `path` being the way to it ("" or "cohort__")."""
    last_day = timezone.localdate() - GRACE
    return Q(**{f"{path}ends_on": None}) | Q(**{f"{path}ends_on__gte": last_day})
