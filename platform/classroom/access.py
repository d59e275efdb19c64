"""Who may enter which class: admins all, instructors those they teach; for others there is no such page."""

import functools
from typing import cast

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

from accounts.models import Cohort, Role, User
from accounts.selectors import cohorts_taught_by
from sandboxes.access import P, View, signed_in


def teacher_of(request: HttpRequest) -> User:
    """The signed-in instructor or admin; only for views behind `staff_only`."""
    return cast("User", request.user)


def staff_only(view: View[P]) -> View[P]:
    """Let instructors and admins in; whoever is signed out signs in first, a student finds nothing here."""

    @signed_in
    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not teacher_of(request).is_staff_member:
            raise Http404
        response = view(request, *args, **kwargs)
        patch_vary_headers(response, ["HX-Request"])
        patch_cache_control(response, no_store=True)
        return response

    return guarded


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
