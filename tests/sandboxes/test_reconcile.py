"""One step at a time, from Start to gone, and what happens when the backend does not do its part."""

from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User
from sandboxes import estimates, leases, provisioning, reconcile, running, services, step, sweep
from sandboxes.backends.base import BackendError, Phase
from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests.sandboxes import doubles, invariants
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle, sweep_and_settle

pytestmark = pytest.mark.django_db


def age(sandbox: Sandbox, seconds: float) -> None:
    """Make a sandbox look as if it had been where it is for so long."""
    then = timezone.now() - timedelta(seconds=seconds)
    Sandbox.objects.filter(pk=sandbox.pk).update(state_since=then, stage_since=then)
    sandbox.refresh_from_db()


def test_a_start_becomes_ready_in_one_ring(ada: User) -> None:
    sandbox = services.request_sandbox(ada)

    outcome = reconcile.reconcile(sandbox.pk)

    assert (outcome.state, outcome.again) == (State.READY, None)
    invariants.check()


def test_a_slow_start_tells_its_stages(ada: User, use_backend: Use) -> None:
    use_backend("SlowBackend")

    sandbox = ready_sandbox(ada)

    stages = SandboxEvent.objects.filter(sandbox=sandbox, kind=SandboxEvent.STAGE)
    assert [event.new for event in stages] == ["namespaces", "kafka", "probe", ""]


def test_ringing_again_changes_nothing(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    before = SandboxEvent.objects.count()

    for _ in range(5):
        reconcile.reconcile(sandbox.pk)

    assert SandboxEvent.objects.count() == before


def test_ringing_for_nothing_is_silent() -> None:
    assert reconcile.reconcile(Sandbox().pk) == reconcile.Outcome()


def test_pressing_start_twice_gives_one_sandbox(ada: User) -> None:
    assert services.request_sandbox(ada).pk == services.request_sandbox(ada).pk


def test_a_never_ready_start_fails_at_its_deadline_with_a_sentence(ada: User, use_backend: Use) -> None:
    use_backend("NeverBackend")
    sandbox = services.request_sandbox(ada)
    reconcile.reconcile(sandbox.pk)
    age(sandbox, step.START_DEADLINE_S + 1)

    reconcile.reconcile(sandbox.pk)

    sandbox.refresh_from_db()
    assert sandbox.now is State.FAILED
    assert (sandbox.failure_cause, sandbox.failure_retryable) == ("kafka_timeout", True)
    invariants.check()


def test_a_failed_start_leaves_nothing_behind(ada: User, use_backend: Use) -> None:
    use_backend("CrashLoopBackend")
    sandbox = services.request_sandbox(ada)

    settle(sandbox)

    assert (sandbox.now, sandbox.failure_cause) == (State.FAILED, "broker_exited")
    assert provisioning.backend_for(sandbox).inventory() == ()


def test_a_failed_start_can_be_tried_again(ada: User, use_backend: Use) -> None:
    use_backend("CrashLoopBackend")
    sandbox = services.request_sandbox(ada)
    settle(sandbox)
    use_backend("InstantBackend")

    again = services.request_sandbox(ada)
    settle(again)

    assert (again.pk, again.now, again.failure_cause) == (sandbox.pk, State.READY, "")
    invariants.check()


@pytest.mark.logs("sandbox.backend_refused")
def test_an_unreachable_backend_is_tried_again_and_not_blamed_on_the_sandbox(
    ada: User, use_backend: Use
) -> None:
    use_backend("UnreachableBackend")
    sandbox = services.request_sandbox(ada)

    outcome = reconcile.reconcile(sandbox.pk)

    assert outcome.state is State.PROVISIONING
    assert outcome.again is not None


@pytest.mark.logs("sandbox.backend_refused")
def test_a_broken_backend_fails_the_start_with_its_own_sentence(ada: User, use_backend: Use) -> None:
    use_backend("BrokenBackend")
    sandbox = services.request_sandbox(ada)

    reconcile.reconcile(sandbox.pk)

    sandbox.refresh_from_db()
    assert sandbox.now is State.FAILED
    assert sandbox.failure_sentence.startswith("The sandbox host does not answer")


@pytest.mark.logs("sandbox.backend_refused")
def test_a_ready_sandbox_stays_ready_while_the_backend_cannot_be_asked(ada: User, use_backend: Use) -> None:
    sandbox = ready_sandbox(ada)
    use_backend("UnreachableBackend")

    reconcile.reconcile(sandbox.pk)

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_a_broker_that_died_is_started_again(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    with doubles.shared.changing() as entries:
        entries[sandbox.hex]["started_at"] = None

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY
    moves = SandboxEvent.objects.filter(sandbox=sandbox, kind=SandboxEvent.MOVE).order_by("pk")
    assert [event.new for event in moves][-2:] == ["degraded", "ready"]


def test_a_broker_that_hangs_is_stopped_when_it_is_given_up_and_the_next_try_starts_a_new_one(
    ada: User, use_backend: Use
) -> None:
    use_backend("HangingBackend")
    sandbox = ready_sandbox(ada)
    doubles.HangingBackend.hangs = True
    reconcile.reconcile(sandbox.pk)
    assert sandbox.events.get(new="degraded").cause == "broker_silent"
    age(sandbox, running.REPAIR_DEADLINE_S + 1)

    reconcile.reconcile(sandbox.pk)
    sandbox.refresh_from_db()
    given_up = (sandbox.now, sandbox.failure_cause)
    with doubles.shared.changing() as entries:
        is_stopped = entries[sandbox.hex]["started_at"] is None
    Sandbox.objects.filter(pk=sandbox.pk).update(retry_at=timezone.now())
    sweep_and_settle()

    sandbox.refresh_from_db()
    assert given_up == (State.FAILED, "broker_silent")
    assert is_stopped
    assert sandbox.now is State.READY


def test_a_broker_stopped_for_its_size_is_given_up_and_not_started_again(ada: User, use_backend: Use) -> None:
    use_backend("FullBackend")
    sandbox = ready_sandbox(ada)
    with doubles.shared.changing() as entries:
        entries[sandbox.hex]["started_at"] = None

    for _ in range(3):
        sweep_and_settle()

    sandbox.refresh_from_db()
    assert (sandbox.now, sandbox.failure_cause, sandbox.retry_at) == (State.FAILED, "disk_full", None)
    with doubles.shared.changing() as entries:
        assert entries[sandbox.hex]["started_at"] is None


def test_lost_data_is_said_and_never_replaced_by_an_empty_kafka(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    doubles.forget_everything()

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert (sandbox.now, sandbox.failure_cause) == (State.FAILED, "data_lost")
    assert provisioning.backend_for(sandbox).observe(sandbox.hex).phase is Phase.ABSENT
    with pytest.raises(NotPossibleNow, match="Start over"):
        services.request_sandbox(ada)


def test_stop_keeps_the_data_and_start_wakes_it(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    provisioning.workspace(sandbox).write_file("producer.py", "print(1)")

    services.stop_sandbox(sandbox)
    settle(sandbox)
    asleep = sandbox.state
    services.request_sandbox(ada)
    settle(sandbox)

    assert (asleep, sandbox.now) == ("suspended", State.READY)
    assert provisioning.workspace(sandbox).read_file("producer.py").text == "print(1)"
    invariants.check()


def test_stop_beats_a_start_in_flight(ada: User, use_backend: Use) -> None:
    use_backend("NeverBackend")
    sandbox = services.request_sandbox(ada)
    reconcile.reconcile(sandbox.pk)
    sandbox.refresh_from_db()

    services.stop_sandbox(sandbox)
    settle(sandbox)

    assert sandbox.now is State.DELETED
    invariants.check()


def test_an_old_ring_after_stop_starts_nothing(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.delete_sandbox(sandbox)
    settle(sandbox)

    for _ in range(3):
        reconcile.reconcile(sandbox.pk)

    assert provisioning.backend_for(sandbox).inventory() == ()
    invariants.check()


@pytest.mark.parametrize("state", State)
def test_delete_ends_a_sandbox_in_every_state(ada: User, state: State) -> None:
    sandbox = ready_sandbox(ada)
    wanted = "absent" if state in {State.DELETING, State.DELETED, State.QUARANTINED} else "present"
    Sandbox.objects.filter(pk=sandbox.pk).update(state=state, wanted=wanted)
    sandbox.refresh_from_db()

    services.delete_sandbox(sandbox)
    settle(sandbox)

    assert sandbox.now is State.DELETED
    if state is not State.DELETED:
        assert provisioning.backend_for(sandbox).inventory() == ()


@pytest.mark.parametrize("state", State)
def test_cancel_is_accepted_in_every_state(ada: User, state: State) -> None:
    sandbox = ready_sandbox(ada)
    Sandbox.objects.filter(pk=sandbox.pk).update(state=state)
    sandbox.refresh_from_db()

    services.stop_sandbox(sandbox)

    assert sandbox.now in {State.DELETING, State.SUSPENDING, state}


def test_what_does_not_go_away_is_set_aside_and_the_student_goes_on(ada: User, use_backend: Use) -> None:
    use_backend("LingeringBackend")
    old = ready_sandbox(ada)
    services.delete_sandbox(old)
    age(old, step.DELETE_DEADLINE_S + 1)

    reconcile.reconcile(old.pk)
    new = ready_sandbox(ada)

    old.refresh_from_db()
    assert (old.now, new.now) == (State.QUARANTINED, State.READY)
    assert "volume" in old.detail


def test_the_sweep_ends_a_quarantine_once_the_backend_lets_go(ada: User, use_backend: Use) -> None:
    use_backend("LingeringBackend")
    sandbox = ready_sandbox(ada)
    services.delete_sandbox(sandbox)
    age(sandbox, step.DELETE_DEADLINE_S + 1)
    reconcile.reconcile(sandbox.pk)
    use_backend("InstantBackend")

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.DELETED
    invariants.check()


def test_start_over_waits_until_the_old_one_is_gone(ada: User) -> None:
    old = ready_sandbox(ada)

    new = services.start_over(old)
    first = reconcile.reconcile(new.pk)
    settle(old, new)

    assert first.state is State.QUEUED
    assert (old.now, new.now) == (State.DELETED, State.READY)
    invariants.check()


def test_the_end_of_the_old_one_rings_for_the_new(ada: User) -> None:
    old = ready_sandbox(ada)
    new = services.start_over(old)

    outcome = reconcile.reconcile(old.pk)

    assert new.pk in outcome.also


@pytest.mark.logs("sweep.orphan")
def test_orphans_are_removed_and_what_is_not_ours_is_left_alone(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    stranger = "0" * 32
    with doubles.shared.changing() as entries:
        entries[Sandbox().hex] = dict(entries[sandbox.hex])
        entries[stranger] = dict(entries[sandbox.hex])
        entries["not-an-id"] = dict(entries[sandbox.hex])

    sweep.sweep()

    left = provisioning.backend_for(sandbox).inventory()
    assert set(left) == {sandbox.hex, stranger, "not-an-id"}


@pytest.mark.logs("sweep.orphan", "sweep.orphan_stays")
def test_an_orphan_that_stays_does_not_hide_the_others(ada: User, use_backend: Use) -> None:
    sandbox = ready_sandbox(ada)
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=timezone.now())
    with doubles.shared.changing() as entries:
        entries[Sandbox().hex] = dict(entries[sandbox.hex])
    use_backend("ClingingBackend")

    sweep.sweep()

    sandbox.refresh_from_db()
    assert sandbox.now is State.SUSPENDING


@pytest.mark.logs("sweep.orphan")
def test_what_came_back_after_its_deletion_is_an_orphan(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.delete_sandbox(sandbox)
    settle(sandbox)
    provisioning.backend_for(sandbox).ensure(provisioning.spec_of(sandbox))

    sweep.sweep()

    invariants.check()


def test_starts_are_bounded_and_first_come_first_served(
    django_user_model: type[User], use_backend: Use
) -> None:
    use_backend("NeverBackend")
    Cluster.objects.create(name="here", starts_at_once=2)
    users = [django_user_model.objects.create_user(f"student-{n}") for n in range(5)]
    sandboxes = [services.request_sandbox(user) for user in users]

    for sandbox in reversed(sandboxes):
        reconcile.reconcile(sandbox.pk)
    for sandbox in sandboxes:
        sandbox.refresh_from_db()

    assert [sandbox.state for sandbox in sandboxes] == [
        "provisioning",
        "provisioning",
        "queued",
        "queued",
        "queued",
    ]
    assert estimates.wait_s(sandboxes[4]) > estimates.wait_s(sandboxes[2])


def test_a_finished_start_rings_for_the_next_in_line(django_user_model: type[User]) -> None:
    Cluster.objects.create(name="here", starts_at_once=1)
    first, second = (services.request_sandbox(django_user_model.objects.create_user(name)) for name in "ab")

    outcome = reconcile.reconcile(first.pk)

    assert outcome.also == (second.pk,)


def test_wakes_share_the_same_room_as_starts(django_user_model: type[User], use_backend: Use) -> None:
    Cluster.objects.create(name="here", starts_at_once=1)
    sleeper, starter = (django_user_model.objects.create_user(name) for name in ("sleeper", "starter"))
    asleep = ready_sandbox(sleeper)
    services.stop_sandbox(asleep)
    settle(asleep)
    use_backend("NeverBackend")
    reconcile.reconcile(services.request_sandbox(starter).pk)

    services.request_sandbox(sleeper)
    outcome = reconcile.reconcile(asleep.pk)

    assert (outcome.state, outcome.again) == (State.RESUMING, None)
    asleep.refresh_from_db()
    assert asleep.begun_at is None


def test_a_held_lease_keeps_other_workers_out(ada: User) -> None:
    sandbox = services.request_sandbox(ada)
    lease = leases.take(sandbox.pk)

    assert lease is not None
    assert reconcile.reconcile(sandbox.pk) == reconcile.Outcome()


def test_an_old_worker_cannot_overwrite_what_came_after_its_lease(ada: User) -> None:
    sandbox = services.request_sandbox(ada)
    old = leases.take(sandbox.pk)
    assert old is not None
    stale = Sandbox.objects.get(pk=sandbox.pk)
    Sandbox.objects.filter(pk=sandbox.pk).update(lease_until=timezone.now() - timedelta(seconds=1))
    new = leases.take(sandbox.pk)
    assert new is not None

    assert new.token > old.token
    assert not stale.move_to(State.PROVISIONING, actor="worker", token=old.token)
    assert not stale.note(token=old.token, detail="written by a ghost")
    leases.release(old)
    assert leases.take(sandbox.pk) is None
    assert sandbox.events.count() == 1


def test_a_decision_voids_the_work_in_flight(ada: User) -> None:
    sandbox = services.request_sandbox(ada)
    lease = leases.take(sandbox.pk)
    assert lease is not None
    worker_sees = Sandbox.objects.get(pk=sandbox.pk)
    services.delete_sandbox(sandbox)

    assert not worker_sees.move_to(State.PROVISIONING, actor="worker", token=lease.token)


def test_a_stale_look_is_void_even_when_the_state_is_the_same_again(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    worker_sees = Sandbox.objects.get(pk=sandbox.pk)
    services.stop_sandbox(sandbox)
    settle(sandbox)
    services.resume(sandbox)
    settle(sandbox)

    assert worker_sees.state == sandbox.state
    assert not worker_sees.move_to(State.DEGRADED, actor="worker")


def test_a_wish_that_rang_in_vain_is_seen_by_the_worker_that_was_busy(ada: User, use_backend: Use) -> None:
    use_backend("NeverBackend")
    sandbox = services.request_sandbox(ada)
    reconcile.reconcile(sandbox.pk)
    original = leases.release

    def delete_at_the_last_moment(lease: leases.Lease) -> None:
        services.delete_sandbox(Sandbox.objects.get(pk=sandbox.pk))
        assert reconcile.reconcile(sandbox.pk) == reconcile.Outcome()
        leases.release = original
        original(lease)

    leases.release = delete_at_the_last_moment
    outcome = reconcile.reconcile(sandbox.pk)

    assert outcome.again == 0.0


def test_an_unused_sandbox_is_put_to_sleep(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=timezone.now())

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.SUSPENDED


def test_more_time_asked_for_while_the_sweep_looks_is_given(
    ada: User, use_backend: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = ready_sandbox(ada)
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=timezone.now())
    use_backend("InterruptedBackend")
    monkeypatch.setattr(
        doubles.InterruptedBackend, "meanwhile", lambda pk: services.extend(Sandbox.objects.get(pk=pk))
    )

    assert sandbox.pk not in sweep.sweep()

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_a_sandbox_whose_programs_cannot_be_asked_for_is_not_put_to_sleep(
    ada: User, use_backend: Use, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: str) -> None:
        raise BackendError("The sandbox host does not answer.", retryable=True)

    sandbox = ready_sandbox(ada)
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=timezone.now())
    use_backend("InterruptedBackend")
    with monkeypatch.context() as broken:
        broken.setattr(doubles.InterruptedBackend, "meanwhile", silent)
        sweep.sweep()
    sandbox.refresh_from_db()
    first = sandbox.now

    sweep.sweep()

    sandbox.refresh_from_db()
    assert (first, sandbox.now) == (State.READY, State.SUSPENDING)


def test_a_running_program_counts_as_use(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    space = provisioning.workspace(sandbox)
    space.write_file("audit.py", "while True: pass")
    space.start_program(path="audit.py")
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=timezone.now())

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY
    assert sandbox.last_activity_source == "program"


def test_the_hard_cap_wins_over_a_running_program(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    space = provisioning.workspace(sandbox)
    space.write_file("audit.py", "while True: pass")
    space.start_program(path="audit.py")
    long_ago = timezone.now() - timedelta(hours=11)
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=timezone.now(), begun_at=long_ago)

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.SUSPENDED


def test_estimates_are_assumed_first_and_measured_later(ada: User, django_user_model: type[User]) -> None:
    assumed = estimates.estimate("kafka-1")
    for number in range(4):
        ready_sandbox(django_user_model.objects.create_user(f"student-{number}"))
    SandboxEvent.objects.filter(new="ready").update(work_s=3.0)

    measured = estimates.estimate("kafka-1")

    assert (assumed.starts, measured.starts) == (0, 4)
    assert (measured.median_s, measured.p90_s) == (3.0, 3.0)
