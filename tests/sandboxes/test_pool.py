"""Warm sandboxes: kept, proven, claimed once each, replaced when dead, and never in a student's way."""

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from sandboxes import leases, pool, provisioning, reconcile, selectors, services, sweep
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests import make
from tests.sandboxes import doubles, invariants
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle, sweep_and_settle

pytestmark = pytest.mark.django_db
Fill = Callable[[int], list[Sandbox]]


@pytest.fixture
def here(db: None) -> Cluster:
    return Cluster.objects.create(name="here", starts_at_once=2)


@pytest.fixture
def fill(here: Cluster, settings: object) -> Fill:
    """Have so many warm sandboxes."""

    def fill(count: int) -> list[Sandbox]:
        services.reserve_pool(
            here, profile="kafka-1", count=count, until=_in(60), reason="for a test", by=None
        )
        sweep_and_settle()
        return list(Sandbox.objects.filter(state=State.WARM))

    return fill


def _in(minutes: float) -> datetime:
    return timezone.now() + timedelta(minutes=minutes)


def moves(sandbox: Sandbox) -> list[str]:
    return list(sandbox.events.filter(kind=SandboxEvent.MOVE).values_list("new", flat=True))


# -- keeping -----------------------------------------------------------------------------------------------


def test_a_proof_begins_with_a_whole_lease(fill: Fill, use_backend: Use) -> None:
    use_backend("LateBackend")

    (warm,) = fill(1)

    (left_s,) = provisioning.backend_for(warm).leases  # type: ignore[attr-defined]
    assert left_s > leases.LEASE_S - 2


def test_a_site_that_wants_a_pool_fills_it_before_the_first_student(settings: object) -> None:
    settings.WARM_POOL = 2  # type: ignore[attr-defined]

    sweep_and_settle()

    (warm,) = Sandbox.objects.all()  # nobody came yet, so one is enough
    assert (warm.now, warm.owner, warm.frozen) == (State.WARM, None, True)
    assert provisioning.backend_for(warm).observe(warm.hex).frozen
    invariants.check()


def test_without_the_setting_nothing_is_kept_warm(here: Cluster) -> None:
    sweep_and_settle()

    assert not Sandbox.objects.exists()


def test_a_warm_one_was_proven_before_it_was_frozen(fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    proven: list[str] = []
    monkeypatch.setattr(
        "sandboxes.backends.memory.MemoryBackend.prove", lambda self, name: proven.append(name)
    )

    warm = fill(2)

    assert sorted(proven) == sorted(sandbox.hex for sandbox in warm)


def test_the_rule_follows_demand_and_stops_at_the_setting(here: Cluster, settings: object) -> None:
    settings.WARM_POOL = 4  # type: ignore[attr-defined]
    quiet = pool.stock(here, "kafka-1")
    for number in range(60):
        sandbox = Sandbox.objects.create(owner=make.student(f"s{number}"), cluster=here)
        SandboxEvent.record(sandbox, old="", at=timezone.now(), actor="student")

    busy = pool.stock(here, "kafka-1")

    assert (quiet.wanted, busy.wanted) == (1, 4)


def test_a_reservation_is_filled_used_up_and_given_up(here: Cluster, fill: Fill, ada: User) -> None:
    assert len(fill(3)) == 3

    settle(services.request_sandbox(ada))
    after_a_claim = pool.stock(here, "kafka-1")
    here.reservations.update(until=timezone.now())

    assert after_a_claim.reserved == 2
    assert pool.stock(here, "kafka-1").wanted == 0


def test_two_sweeps_at_once_fill_a_gap_once(here: Cluster) -> None:
    services.reserve_pool(here, profile="kafka-1", count=2, until=_in(5), reason="", by=None)

    sweep.sweep()
    sweep.sweep()

    assert Sandbox.objects.count() == 2


def test_no_more_are_ordered_than_fit(here: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sandboxes.backends.memory.MemoryBackend.room", lambda self: 1)
    services.reserve_pool(here, profile="kafka-1", count=30, until=_in(5), reason="", by=None)

    sweep_and_settle()

    assert Sandbox.objects.count() == 1


def test_what_is_too_much_stays_a_while_and_is_then_removed(here: Cluster, fill: Fill) -> None:
    fill(3)
    here.reservations.all().delete()

    sweep_and_settle()
    at_once = Sandbox.objects.filter(state=State.WARM).count()
    Sandbox.objects.update(state_since=timezone.now() - pool.SURPLUS_STAYS - timedelta(seconds=1))
    sweep_and_settle()

    assert at_once == 3
    assert not Sandbox.objects.exclude(state=State.DELETED).exists()
    invariants.check()


def test_an_order_that_is_no_longer_wanted_is_never_begun(here: Cluster) -> None:
    services.reserve_pool(here, profile="kafka-1", count=5, until=_in(5), reason="", by=None)
    sweep.sweep()
    here.reservations.all().delete()

    sweep_and_settle()

    assert not Sandbox.objects.exclude(state=State.DELETED).exists()


def test_a_warm_one_is_replaced_before_it_grows_too_old_to_wake_quickly(fill: Fill) -> None:
    (old,) = fill(1)
    Sandbox.objects.update(state_since=timezone.now() - pool.OLDEST - timedelta(minutes=1))

    sweep_and_settle()
    sweep_and_settle()

    old.refresh_from_db()
    assert old.now is State.DELETED
    assert Sandbox.objects.filter(state=State.WARM).count() == 1


def test_a_closed_cluster_keeps_nothing_warm(here: Cluster, fill: Fill, ada: User) -> None:
    fill(1)
    Cluster.objects.update(open=False)
    Sandbox.objects.update(state_since=timezone.now() - pool.SURPLUS_STAYS - timedelta(seconds=1))

    sweep_and_settle()

    assert not Sandbox.objects.filter(state=State.WARM).exists()


# -- claiming ----------------------------------------------------------------------------------------------


def test_pressing_start_takes_a_warm_one_at_once(fill: Fill, ada: User) -> None:
    (warm,) = fill(1)

    mine = services.request_sandbox(ada)

    assert (mine.pk, mine.now, mine.owner) == (warm.pk, State.BINDING, ada)


def test_a_claimed_one_is_thawed_and_handed_over(fill: Fill, ada: User) -> None:
    fill(1)

    mine = services.request_sandbox(ada)
    settle(mine)

    assert (mine.now, mine.frozen) == (State.READY, False)
    assert not provisioning.backend_for(mine).observe(mine.hex).frozen
    assert mine.handed_over_at
    assert mine.expires_at
    assert moves(mine) == ["queued", "provisioning", "warm", "binding", "ready"]
    invariants.check()


def test_pressing_twice_takes_one(fill: Fill, ada: User) -> None:
    fill(2)

    first, second = services.request_sandbox(ada), services.request_sandbox(ada)

    assert first.pk == second.pk
    assert Sandbox.objects.filter(state=State.WARM).count() == 1


def test_who_loses_all_that_one_look_found_looks_again(
    fill: Fill, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty claimers and as many warm ones: a look is bounded, and all in it may be gone by then."""
    warm = {sandbox.pk for sandbox in fill(4)}
    monkeypatch.setattr(pool, "_CANDIDATES", 2)
    look = pool._candidates
    looked: list[int] = []

    def and_others_are_faster(profile: str) -> list[Sandbox]:
        found = look(profile)
        if not looked:
            rows = Sandbox.objects.filter(pk__in=[sandbox.pk for sandbox in found])
            rows.update(state=State.DELETING, generation=99)
        looked.append(len(found))
        return found

    monkeypatch.setattr(pool, "_candidates", and_others_are_faster)

    sandbox = services.request_sandbox(ada)

    assert looked == [2, 2]
    assert sandbox.pk in warm
    assert sandbox.now is State.BINDING


def test_the_same_copy_of_a_row_is_claimed_once(fill: Fill, ada: User, edsger: User) -> None:
    (warm,) = fill(1)
    mine, yours = Sandbox.objects.get(pk=warm.pk), Sandbox.objects.get(pk=warm.pk)

    won = [
        pool._hand_over(copy, user, actor="student", by=None) for copy, user in ((mine, ada), (yours, edsger))
    ]

    assert won == [True, False]
    warm.refresh_from_db()
    assert warm.owner == ada


def test_a_start_for_the_pool_becomes_a_students_on_its_way(
    here: Cluster, ada: User, use_backend: Use
) -> None:
    use_backend("NeverBackend")
    services.reserve_pool(here, profile="kafka-1", count=1, until=_in(5), reason="", by=None)
    (ordered,) = Sandbox.objects.filter(pk__in=sweep.sweep())
    reconcile.reconcile(ordered.pk)

    mine = services.request_sandbox(ada)
    use_backend("InstantBackend")
    settle(mine)

    assert (mine.pk, mine.now, mine.owner) == (ordered.pk, State.READY, ada)
    assert mine.events.filter(kind=SandboxEvent.ACT, new="claim").exists()
    invariants.check()


def test_a_worker_that_prepared_it_for_the_pool_does_not_freeze_a_students(
    here: Cluster, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The student comes between the last look at the row and the freeze."""
    services.reserve_pool(here, profile="kafka-1", count=1, until=_in(5), reason="", by=None)
    (ordered,) = Sandbox.objects.filter(pk__in=sweep.sweep())
    monkeypatch.setattr(
        "sandboxes.backends.memory.MemoryBackend.prove",
        lambda self, name: services.request_sandbox(ada) and None,
    )

    settle(ordered)

    assert (ordered.now, ordered.owner) == (State.READY, ada)
    assert not provisioning.backend_for(ordered).observe(ordered.hex).frozen
    invariants.check()


def test_a_claim_starts_over_too_but_waits_for_the_old_one_to_go(fill: Fill, ada: User) -> None:
    old = ready_sandbox(ada)
    (warm,) = fill(1)

    new = services.start_over(old)
    reconcile.reconcile(new.pk)
    new.refresh_from_db()
    while_the_old_one_goes = new.now
    settle(old, new)

    assert new.pk == warm.pk
    assert (while_the_old_one_goes, old.now, new.now) == (State.BINDING, State.DELETED, State.READY)
    invariants.check()


def test_stop_gives_a_claimed_one_up(fill: Fill, ada: User) -> None:
    fill(1)
    mine = services.request_sandbox(ada)

    services.stop_sandbox(mine)
    settle(mine)

    assert mine.now is State.DELETED


def test_a_hand_over_takes_no_place_from_those_who_start(
    here: Cluster, fill: Fill, ada: User, edsger: User, use_backend: Use
) -> None:
    Cluster.objects.update(starts_at_once=1)
    fill(1)
    mine = services.request_sandbox(ada)
    use_backend("NeverBackend")

    theirs = services.request_sandbox(edsger)
    reconcile.reconcile(theirs.pk)

    theirs.refresh_from_db()
    assert (mine.now, theirs.now) == (State.BINDING, State.PROVISIONING)


# -- who comes first ---------------------------------------------------------------------------------------


def test_the_pool_waits_while_a_student_waits(
    here: Cluster, ada: User, edsger: User, use_backend: Use
) -> None:
    use_backend("NeverBackend")
    Cluster.objects.update(starts_at_once=1)
    starting, waiting = services.request_sandbox(ada), services.request_sandbox(edsger)
    reconcile.reconcile(starting.pk)
    services.reserve_pool(here, profile="kafka-1", count=1, until=_in(5), reason="", by=None)

    sweep.sweep()

    waiting.refresh_from_db()
    assert waiting.now is State.QUEUED
    assert not Sandbox.objects.filter(owner=None).exists()


def test_an_order_of_the_pool_lets_a_student_pass(here: Cluster, ada: User, use_backend: Use) -> None:
    use_backend("NeverBackend")
    Cluster.objects.update(starts_at_once=1)
    services.reserve_pool(here, profile="kafka-1", count=1, until=_in(5), reason="", by=None)
    (ordered,) = Sandbox.objects.filter(pk__in=sweep.sweep())
    student = services.request_sandbox(ada)

    reconcile.reconcile(ordered.pk)
    reconcile.reconcile(student.pk)

    ordered.refresh_from_db()
    student.refresh_from_db()
    assert (ordered.now, student.now) == (State.QUEUED, State.PROVISIONING)


def test_the_pool_never_takes_every_place(here: Cluster, use_backend: Use) -> None:
    use_backend("NeverBackend")
    Cluster.objects.update(starts_at_once=4)
    services.reserve_pool(here, profile="kafka-1", count=4, until=_in(5), reason="", by=None)

    for sandbox_id in (*sweep.sweep(), *sweep.sweep()):
        reconcile.reconcile(sandbox_id)

    assert Sandbox.objects.filter(state=State.PROVISIONING).count() == 2


# -- poisoned ----------------------------------------------------------------------------------------------


def kill_all() -> None:
    """The warm brokers die while they are frozen, and nobody is told."""
    with doubles.shared.changing() as entries:
        for entry in entries.values():
            entry["started_at"] = None


@pytest.mark.logs("pool.dead")
def test_a_dead_warm_one_is_noticed_before_the_hand_over_and_started_anew(fill: Fill, ada: User) -> None:
    fill(1)
    kill_all()

    mine = services.request_sandbox(ada)
    settle(mine)

    assert (mine.now, mine.frozen) == (State.READY, False)
    assert moves(mine)[-5:] == ["binding", "queued", "provisioning", "binding", "ready"]
    invariants.check()


@pytest.mark.logs("pool.dead")
def test_a_warm_one_that_is_up_but_does_not_answer_is_not_handed_over(
    fill: Fill, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    (warm,) = fill(1)
    monkeypatch.setattr("sandboxes.starting.WAKE_S", 0.1)
    monkeypatch.setattr("sandboxes.backends.memory.MemoryBackend.answers", lambda self, name: False)

    settle(services.request_sandbox(ada))

    assert "queued" in moves(warm)[3:]


@pytest.mark.logs("pool.removed")
def test_a_poisoned_pool_heals(fill: Fill, ada: User) -> None:
    poisoned = fill(3)
    kill_all()

    sweep_and_settle()
    sweep_and_settle()

    healed = set(Sandbox.objects.filter(state=State.WARM))
    assert len(healed) == 3
    assert not healed & set(poisoned)
    mine = services.request_sandbox(ada)
    settle(mine)
    assert moves(mine)[-2:] == ["binding", "ready"]
    invariants.check()


def test_a_pool_that_ended_with_the_site_is_replaced_without_a_warning(
    fill: Fill, use_backend: Use, caplog: pytest.LogCaptureFixture
) -> None:
    (ended,) = fill(1)
    kill_all()
    use_backend("RestartedBackend")

    sweep_and_settle()
    sweep_and_settle()

    assert [line.levelname for line in caplog.records if line.message == "pool.removed"] == ["INFO"]
    assert ended.events.get(new="deleting").detail == "It was stopped with the site."
    assert Sandbox.objects.get(state=State.WARM) != ended


def test_a_pool_that_was_in_no_backup_is_replaced_without_being_called_dead(
    fill: Fill, caplog: pytest.LogCaptureFixture
) -> None:
    (of_before,) = fill(1)
    doubles.forget_everything()

    sweep_and_settle()
    sweep_and_settle()

    assert [line.levelname for line in caplog.records if line.message == "pool.removed"] == ["INFO"]
    assert of_before.events.get(new="deleting").detail == pool.NOT_THERE
    assert selectors.failures_by_cause(timezone.now() - timedelta(hours=1)) == ()
    assert Sandbox.objects.get(state=State.WARM) != of_before


@pytest.mark.logs("pool.removed")
def test_a_pool_whose_starts_fail_is_not_tried_for_ever(here: Cluster, use_backend: Use) -> None:
    use_backend("CrashLoopBackend")
    services.reserve_pool(here, profile="kafka-1", count=1, until=_in(5), reason="", by=None)

    for _ in range(12):
        sweep_and_settle()

    assert Sandbox.objects.count() == pool.TROUBLES


@pytest.mark.logs("sweep.no_inventory")
def test_a_backend_that_cannot_be_asked_costs_no_warm_one(fill: Fill, use_backend: Use) -> None:
    fill(2)
    use_backend("UnreachableBackend")

    sweep.sweep()

    assert Sandbox.objects.filter(state=State.WARM).count() == 2


# -- telling -----------------------------------------------------------------------------------------------


def test_staff_are_told_of_the_pool(here: Cluster, fill: Fill, ada: User, edsger: User) -> None:
    fill(1)
    settle(services.request_sandbox(ada))
    settle(services.request_sandbox(edsger))
    here.reservations.update(count=4)

    (row,) = selectors.pool_rows()

    assert (row.cluster, row.profile) == (here, "kafka-1")
    assert (row.wanted, row.reserved, row.warm, row.starting) == (3, 3, 0, 0)
    assert (row.claimed, row.missed) == (1, 1)


def test_a_warm_start_does_not_spoil_the_estimate_of_a_cold_one(
    fill: Fill, ada: User, django_user_model: type[User]
) -> None:
    from sandboxes import estimates

    for number in range(4):
        ready_sandbox(django_user_model.objects.create_user(f"cold-{number}"))
    SandboxEvent.objects.filter(new="ready").update(work_s=3.0)
    fill(1)

    settle(services.request_sandbox(ada))

    assert estimates.estimate("kafka-1").median_s == 3.0
    assert estimates.estimate("kafka-1").starts == 4
