"""Who may see whom, and when."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser
from django.utils import timezone

from accounts.models import Enrolment, User
from accounts.selectors import GRACE, cohorts_taught_by, current_cohort, may_change, may_see, visible_users
from tests import make
from tests.cast import Cast, assemble

pytestmark = pytest.mark.django_db


@pytest.fixture
def cast() -> Cast:
    return assemble()


def test_a_student_sees_herself_and_nobody_else(cast: Cast) -> None:
    assert set(visible_users(cast.ada)) == {cast.ada}


def test_seeing_oneself_costs_no_query(cast: Cast, django_assert_num_queries: object) -> None:
    with django_assert_num_queries(0):  # type: ignore[operator]
        assert may_see(cast.ada, cast.ada)


def test_an_instructor_sees_the_students_of_her_own_cohort(cast: Cast) -> None:
    assert set(visible_users(cast.grace)) == {cast.grace, cast.ada}


def test_an_instructor_does_not_see_the_students_of_another_cohort(cast: Cast) -> None:
    assert not may_see(cast.grace, cast.edsger)


def test_an_instructor_does_not_see_other_instructors_of_her_cohort(cast: Cast) -> None:
    make.enrolment(cast.barbara, cast.spring)

    assert not may_see(cast.grace, cast.barbara)


def test_an_instructor_without_a_cohort_sees_only_herself() -> None:
    alone = make.instructor()
    make.student()

    assert set(visible_users(alone)) == {alone}


def test_a_student_with_an_instructors_place_still_sees_only_herself(cast: Cast) -> None:
    Enrolment.objects.filter(user=cast.ada).update(role="instructor")
    make.enrolment(cast.edsger, cast.spring)

    assert not may_see(cast.ada, cast.edsger)


def test_an_admin_sees_everybody(cast: Cast) -> None:
    assert all(may_see(cast.root, person) for person in (cast.ada, cast.edsger, cast.grace, cast.root))


def test_nobody_is_seen_by_somebody_who_is_not_signed_in(cast: Cast) -> None:
    assert not may_see(AnonymousUser(), cast.ada)
    assert not visible_users(AnonymousUser()).exists()


def test_a_closed_account_sees_nothing_not_even_itself(cast: Cast) -> None:
    cast.root.is_active = False

    assert not may_see(cast.root, cast.ada)
    assert not may_see(cast.root, cast.root)


def test_an_instructor_who_left_the_cohort_sees_it_no_longer(cast: Cast) -> None:
    Enrolment.objects.filter(user=cast.grace).update(left_at=timezone.now())

    assert not may_see(cast.grace, cast.ada)


def test_a_student_who_left_the_cohort_is_not_seen_any_more(cast: Cast) -> None:
    Enrolment.objects.filter(user=cast.ada).update(left_at=timezone.now())

    assert not may_see(cast.grace, cast.ada)


@pytest.mark.parametrize(
    ("days_since_the_end", "seen"), [(0, True), (GRACE.days, True), (GRACE.days + 1, False)]
)
def test_a_cohort_stays_in_sight_for_a_while_after_its_last_day(
    cast: Cast, days_since_the_end: int, seen: bool
) -> None:
    cast.spring.starts_on = timezone.localdate() - timedelta(days=200)
    cast.spring.ends_on = timezone.localdate() - timedelta(days=days_since_the_end)
    cast.spring.save()

    assert may_see(cast.grace, cast.ada) is seen
    assert cohorts_taught_by(cast.grace).exists() is seen


def test_only_the_owner_and_an_admin_may_act_on_what_is_somebodys(cast: Cast) -> None:
    may = {person.username for person in people(cast) if may_change(person, cast.ada)}

    assert may == {"ada", "root"}


def test_the_cohort_shown_is_the_one_joined_last(cast: Cast) -> None:
    summer = make.cohort("Summer")
    make.enrolment(cast.ada, summer)

    assert current_cohort(cast.ada) == summer
    assert current_cohort(cast.root) is None


def people(cast: Cast) -> tuple[User, ...]:
    return (cast.ada, cast.grace, cast.edsger, cast.barbara, cast.root)
