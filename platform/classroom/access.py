"""Who may enter which class: admins all, instructors those they teach; for others there is no such page."""

from typing import cast

from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from accounts.models import Cohort, Role, User
from accounts.selectors import cohorts_taught_by
from sandboxes.access import only_for

staff_only = only_for(lambda user: user.is_staff_member)


def teacher_of(request: HttpRequest) -> User:
    """The signed-in instructor or admin; only for views behind `staff_only`."""
    return cast("User", request.user)


def cohorts_of(viewer: User) -> QuerySet[Cohort]:
    """The classes that `viewer` may look at."""
    if viewer.role == Role.ADMIN:
        return Cohort.objects.all()
    return cohorts_taught_by(viewer) if viewer.role == Role.INSTRUCTOR else Cohort.objects.none()


def cohort_of(request: HttpRequest, cohort_id: int) -> Cohort:
    """The class of an address, if it is the viewer's to see."""
    cohort = cohorts_of(teacher_of(request)).filter(pk=cohort_id).first()
    if cohort is None:
        raise Http404
    return cohort


def students_of(cohort: Cohort) -> QuerySet[User]:
    """Who learns in a class now."""
    return User.objects.filter(
        enrolments__cohort=cohort, enrolments__role=Role.STUDENT, enrolments__left_at=None
    )


def student_of(cohort: Cohort, student_id: int) -> User:
    """A student of the class; one who is not, or not any more, is not found."""
    student = students_of(cohort).filter(pk=student_id).first()
    if student is None:
        raise Http404
    return student
