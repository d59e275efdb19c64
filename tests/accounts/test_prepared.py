"""Queries whose SQL is made once answer as the ORM does, whatever values they are given."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.prepared import Prepared

pytestmark = pytest.mark.django_db

_among = Prepared(many=int, query=lambda pks: User.objects.filter(pk__in=pks).values_list("pk", "username"))
_joined = Prepared(
    datetime,
    str,
    many=int,
    query=lambda since, first, pks: User.objects.filter(
        date_joined__gte=since, first_name=first, pk__in=pks
    ).values_list("pk", "date_joined"),
)


def users(count: int) -> list[User]:
    return [User.objects.create(username=f"user-{number}", password="!") for number in range(count)]


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 21])
def test_a_list_may_have_any_length(count: int) -> None:
    some = users(count + 2)[1:-1]

    rows = _among.rows(many=[user.pk for user in some])

    assert sorted(map(tuple, rows)) == [(user.pk, user.username) for user in some]


def test_of_nobody_there_is_nothing_and_nobody_is_asked(django_assert_num_queries: Any) -> None:
    users(2)

    with django_assert_num_queries(0):
        assert _among.rows(many=[]) == []


def test_moments_are_compared_and_come_back_as_moments() -> None:
    now = timezone.now()
    one, early, named, _ = users(4)
    User.objects.filter(pk=early.pk).update(date_joined=now - timedelta(days=1))
    User.objects.filter(pk=named.pk).update(first_name="Ada")

    def found(since: Any, first: str) -> list[tuple[Any, ...]]:
        return [tuple(row) for row in _joined.rows(since, first, many=[one.pk, early.pk, named.pk])]

    assert found(now, "") == [(one.pk, one.date_joined)]
    assert found(now, "Ada") == [(named.pk, named.date_joined)]
    assert sorted(found(now - timedelta(days=1), "")) == [
        (one.pk, one.date_joined),
        (early.pk, now - timedelta(days=1)),
    ]


def test_lists_of_many_lengths_share_their_sql() -> None:
    prepared = Prepared(many=int, query=lambda pks: User.objects.filter(pk__in=pks).values_list("pk"))

    for count in range(1, 65):
        prepared.raw(many=range(count))

    assert sorted(size for _, size in prepared._made) == [1, 2, 4, 8, 16, 32, 64]
