"""Starts of one moment are written together, and nobody can tell the difference."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from sandboxes import estimates, looks, placement, pool, services, together
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests import make
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import settle, sweep_and_settle

pytestmark = pytest.mark.django_db


def students(count: int, name: str = "student") -> list[User]:
    return [User.objects.create(username=f"{name}-{number}", password="!") for number in range(count)]


def rung_of(users: list[User]) -> list[bool]:
    return [begun.rings for begun in together._start_all(users) if begun is not None]


def test_each_gets_a_row_and_the_first_event_of_its_story() -> None:
    users = students(5)

    begun = together._start_all(users)

    assert [one.sandbox.owner for one in begun if one] == users
    for user in users:
        sandbox = Sandbox.objects.get(owner=user)
        event = SandboxEvent.objects.get(sandbox=sandbox)
        assert sandbox.now is State.QUEUED
        assert (event.old, event.new, event.actor, event.generation) == ("", "queued", "student", 1)
        assert event.at == sandbox.created_at


def test_they_stand_in_the_line_in_the_order_in_which_they_came(use_backend: Use) -> None:
    use_backend("NeverBackend")
    users = list(reversed(students(6)))

    together._start_all(users)

    seen = looks._look_at_all(users)
    assert [look.line.place_of(look.sandbox) for look in seen if look.line and look.sandbox] == [
        1, 2, 3, 4, 5, 6,
    ]  # fmt: skip


def test_a_second_press_of_the_same_moment_is_the_same_sandbox() -> None:
    (user,) = students(1)

    begun = together._start_all([user, user])

    assert [one is not None for one in begun] == [True, False]
    assert together.start(user).sandbox == Sandbox.objects.get(owner=user)


def test_who_has_one_gets_no_other(ada: User) -> None:
    sandbox = services.request_sandbox(ada)

    assert together._start_all([ada]) == [None]
    assert together.start(ada).sandbox == sandbox


def test_as_many_as_there_are_get_a_warm_one() -> None:
    cluster = Cluster.objects.create(name="here")
    services.reserve_pool(
        cluster, profile="kafka-1", count=2, until=timezone.now() + timedelta(hours=1), reason="", by=None
    )
    sweep_and_settle()

    begun = [one.sandbox.now for one in together._start_all(students(4)) if one]

    assert begun == [State.BINDING, State.BINDING, State.QUEUED, State.QUEUED]


def test_as_many_are_rung_for_as_may_start() -> None:
    Cluster.objects.create(name="here", starts_at_once=2)

    assert rung_of(students(4)) == [True, True, False, False]


def test_they_are_spread_over_the_clusters_that_are_open() -> None:
    one, other = Cluster.objects.create(name="one"), Cluster.objects.create(name="other")
    Cluster.objects.create(name="closed", open=False)
    settle(services.request_sandbox(make.student()))

    chosen = [cluster.pk for cluster in placement.choose_clusters(5)]

    assert sorted(chosen) == sorted([one.pk] * 2 + [other.pk] * 3)


def test_who_was_served_elsewhere_in_the_meantime_keeps_that_and_the_others_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    early, late = students(2)

    def claim(user: User, *given: Any, **named: Any) -> None:
        if user == early and not Sandbox.objects.filter(owner=early).exists():
            services._create(early, "kafka-1", "student", None)

    monkeypatch.setattr(pool, "claim", claim)

    assert together.start(early).sandbox == Sandbox.objects.get(owner=early)
    assert together.start(late).sandbox == Sandbox.objects.get(owner=late)


def test_what_is_seen_of_a_new_one_is_what_a_look_reads(ada: User) -> None:
    admin = make.admin()
    services.delete_sandbox(services.request_sandbox(ada), by=admin, reason="too many")
    sweep_and_settle()
    others = students(3)
    for other in others:
        services.request_sandbox(other)

    seen, read = together.start(ada), looks.look(ada)

    assert seen.staff is not None
    assert seen.staff.who == "An admin"
    assert (seen.sandbox, seen.staff, seen.faults, seen.tier) == (
        read.sandbox, read.staff, read.faults, read.tier,
    )  # fmt: skip
    assert seen.line is not None
    assert read.line is not None
    assert seen.line.standing == read.line.standing
    assert seen.line.place_of(Sandbox.objects.get(owner=ada, wanted="present")) == 4


def test_many_cost_no_more_queries_than_a_few(
    django_assert_max_num_queries: Any, django_assert_num_queries: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimates, "KEPT_S", 3600)
    few, many = students(3), students(25, "another")
    (first,) = students(1, "first")
    together._start_all([first])
    looks._look_at_all([first])

    with django_assert_max_num_queries(11) as started:
        together._start_all(few)
    with django_assert_num_queries(len(started.captured_queries)):
        together._start_all(many)
    with django_assert_max_num_queries(3) as looked:
        looks._look_at_all(few)
    with django_assert_num_queries(len(looked.captured_queries)):
        looks._look_at_all(many)
