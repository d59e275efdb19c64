"""The failure deck: recorded first, undone for certain."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from lessons.labs import Stimulus
from lessons.stage import SandboxStage
from sandboxes import faults, looks, panels, provisioning, reconcile, services, sweep
from sandboxes.backends.base import BackendError, Fault, FaultKind
from sandboxes.backends.memory import MemoryBackend
from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import FaultRecord, Sandbox
from sandboxes.tasks import end_fault
from tests.sandboxes import doubles, invariants
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle, sweep_and_settle

pytestmark = pytest.mark.django_db
STOP = Fault(kind="broker_stop")
SLOW = Fault(kind="latency", ms=200)


def make_due(record: FaultRecord) -> None:
    FaultRecord.objects.filter(pk=record.pk).update(deadline=timezone.now() - timedelta(seconds=1))


def test_a_broker_stopped_on_purpose_is_not_repaired(ada: User) -> None:
    sandbox = ready_sandbox(ada)

    services.inject_fault(sandbox, STOP, seconds=20)
    settle(sandbox)
    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.DEGRADED
    invariants.check()


@pytest.mark.parametrize("actor", ["student", "check"])
@pytest.mark.parametrize("kind", ["broker_stop", "broker_kill"])
def test_a_broker_fault_shows_at_once_whoever_made_it_while_the_broker_still_goes_down(
    ada: User, use_backend: Use, kind: FaultKind, actor: str
) -> None:
    use_backend("SlowToFallBackend")
    sandbox = ready_sandbox(ada)

    record = services.inject_fault(sandbox, Fault(kind=kind), seconds=20, actor=actor)
    settle(sandbox)
    assert sandbox.state == State.DEGRADED
    services.undo_fault(record)
    settle(sandbox)

    assert sandbox.state == State.READY


@pytest.mark.parametrize("kind", ["broker_stop", "broker_kill"])
def test_the_page_never_says_ready_while_it_says_that_the_broker_is_stopped(
    ada: User, kind: FaultKind, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: Any
) -> None:
    """Whatever is announced of it, and before the backend was asked for anything."""
    sandbox, said = ready_sandbox(ada), []

    def ask_for_the_panel(*_: object, **__: object) -> None:
        shown = panels.context(looks.look(ada))
        said.append((shown["chip"][1], [fault["kind"] for fault in shown["faults"]]))

    monkeypatch.setattr("sandboxes.faults.announce", ask_for_the_panel)
    monkeypatch.setattr("sandboxes.models.announce", ask_for_the_panel)
    with django_capture_on_commit_callbacks(execute=True):
        faults.book(sandbox, Fault(kind=kind), seconds=20, actor="student")

    assert said == [("broker down", [kind])] * 2


def test_a_broker_that_could_not_be_stopped_is_ready_again(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def inject(*_: object) -> None:
        raise BackendError("The sandbox host does not answer.", retryable=True)

    sandbox = ready_sandbox(ada)
    monkeypatch.setattr("sandboxes.backends.memory.MemoryBackend.inject", inject)

    with pytest.raises(BackendError):
        services.inject_fault(sandbox, STOP, seconds=20)
    settle(sandbox)

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_the_sweep_takes_an_overdue_fault_out_and_the_broker_returns(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    record = services.inject_fault(sandbox, STOP, seconds=20)
    settle(sandbox)
    make_due(record)

    sweep_and_settle()

    sandbox.refresh_from_db()
    record.refresh_from_db()
    assert sandbox.now is State.READY
    assert record.undone_at is not None


def test_the_alarm_ends_a_fault_only_when_it_is_due(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    record = services.inject_fault(sandbox, SLOW, seconds=20)

    end_fault(record.pk)
    record.refresh_from_db()
    assert record.undone_at is None
    make_due(record)
    end_fault(record.pk)

    record.refresh_from_db()
    assert record.undone_at is not None


@pytest.mark.logs("fault.undo_failed")
def test_a_fault_that_cannot_be_taken_out_is_tried_again(ada: User, use_backend: Use) -> None:
    use_backend("DeafToFaultsBackend")
    sandbox = ready_sandbox(ada)
    record = services.inject_fault(sandbox, SLOW, seconds=20)
    make_due(record)

    sweep.sweep()
    assert faults.active(sandbox).exists()
    doubles.DeafToFaultsBackend.mended = True
    sweep.sweep()

    assert not faults.active(sandbox).exists()


def test_what_the_owner_broke_and_what_a_lab_broke_are_told_apart_by_their_nodes(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    own = services.inject_fault(sandbox, Fault(kind="latency", node=1, ms=200), seconds=60)
    labs = services.inject_fault(sandbox, Fault(kind="latency", node=2, ms=200), seconds=60, actor="check")

    shown = panels.context(looks.look(ada))["faults"]
    assert [fault["own"] for fault in shown] == [True, False]
    services.undo_own_faults(sandbox, "latency")

    assert [record.pk for record in faults.active(sandbox)] == [labs.pk]
    own.refresh_from_db()
    assert own.undone_at is not None
    with pytest.raises(NotPossibleNow, match="ends with the lab"):
        services.undo_own_faults(sandbox, "latency")


def test_the_same_fault_again_only_moves_its_deadline(ada: User) -> None:
    sandbox = ready_sandbox(ada)

    first = services.inject_fault(sandbox, SLOW, seconds=5)
    second = services.inject_fault(sandbox, SLOW, seconds=60)

    assert first.pk == second.pk
    assert second.deadline > first.deadline


def test_no_fault_lasts_longer_than_two_minutes(ada: User) -> None:
    record = services.inject_fault(ready_sandbox(ada), SLOW, seconds=86_400)

    assert record.deadline - timezone.now() <= timedelta(seconds=faults.LONGEST_S)


@pytest.mark.parametrize("wish", [services.stop_sandbox, services.delete_sandbox])
def test_going_to_sleep_or_away_ends_every_fault(ada: User, wish: object) -> None:
    sandbox = ready_sandbox(ada)
    services.inject_fault(sandbox, SLOW, seconds=60)
    services.inject_fault(sandbox, STOP, seconds=60)

    wish(sandbox)  # type: ignore[operator]
    settle(sandbox)

    assert not faults.active(sandbox).exists()
    invariants.check()


def test_nothing_can_be_broken_in_a_sandbox_that_does_not_run(ada: User) -> None:
    sandbox = services.request_sandbox(ada)

    with pytest.raises(NotPossibleNow, match="Press Start"):
        services.inject_fault(sandbox, STOP, seconds=5)


def test_a_fault_that_could_not_be_made_leaves_no_active_record(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    doubles.forget_everything()

    with pytest.raises(BackendError):
        services.inject_fault(sandbox, SLOW, seconds=5)

    assert not faults.active(sandbox).exists()


def test_a_worker_that_dies_between_record_and_fault_leaves_the_undo_to_the_sweep(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    record = faults.book(sandbox, STOP, seconds=5, actor="student")
    provisioning.backend_for(sandbox).inject(sandbox.hex, STOP)
    make_due(record)

    reconcile.reconcile(sandbox.pk)
    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY
    invariants.check()


def hold(sandbox: Sandbox) -> FaultRecord:
    """As a lab's task does whose programs lie in the folder `slow`."""
    return services.inject_fault(sandbox, SLOW, seconds=60, actor="check", folder="slow")


def release(sandbox: Sandbox, folder: str = "slow") -> None:
    """As the end of a task of that folder's lab does."""
    SandboxStage(sandbox, folder).release(Stimulus(fault="latency", ms=200))


def silent(*args: object) -> None:
    raise BackendError("The sandbox host does not answer in time.", retryable=True)


def lay(sandbox: Sandbox, *paths: str) -> None:
    for path in paths:
        provisioning.workspace(sandbox).write_file(path, "print('hello')\n")


def is_slow(sandbox: Sandbox) -> bool:
    return faults.active(sandbox).filter(kind="latency").exists()


def test_what_one_lab_holds_is_out_before_a_program_of_another_starts_and_in_before_its_own(
    ada: User,
) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "slow/producer.py", "styles/race.py", "mine.py")
    hold(sandbox)

    services.run_program(sandbox, path="styles/race.py")
    assert not is_slow(sandbox)
    services.run_program(sandbox, path="slow/producer.py")
    assert is_slow(sandbox)
    services.run_program(sandbox, path="mine.py")
    assert not is_slow(sandbox)


def test_what_gave_way_stays_out_when_its_task_has_ended(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "slow/producer.py", "styles/race.py")
    hold(sandbox)
    services.run_program(sandbox, path="styles/race.py")

    release(sandbox)
    services.run_program(sandbox, path="slow/producer.py")

    assert not is_slow(sandbox)


def test_the_end_of_one_labs_task_forgets_nothing_that_another_holds(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "slow/producer.py", "styles/race.py")
    hold(sandbox)
    services.run_program(sandbox, path="styles/race.py")

    release(sandbox, folder="styles")
    services.run_program(sandbox, path="slow/producer.py")

    assert is_slow(sandbox)


@pytest.mark.logs("fault.undo_failed")
def test_what_could_not_be_taken_out_when_its_task_ended_never_comes_back(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "slow/producer.py")
    record = hold(sandbox)
    with monkeypatch.context() as during:
        during.setattr(MemoryBackend, "undo", silent)
        release(sandbox)
    assert is_slow(sandbox)

    make_due(record)
    sweep_and_settle()
    services.run_program(sandbox, path="slow/producer.py")

    assert not is_slow(sandbox)
    invariants.check()


def test_a_task_that_ends_while_its_fault_is_put_back_ends_that_one_too(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "slow/producer.py", "styles/race.py")
    hold(sandbox)
    services.run_program(sandbox, path="styles/race.py")
    book = faults.book

    def too_late(*args: Any, **kwargs: Any) -> FaultRecord:
        release(sandbox)
        return book(*args, **kwargs)

    monkeypatch.setattr(faults, "book", too_late)
    for _ in range(2):
        services.run_program(sandbox, path="slow/producer.py")
        assert not is_slow(sandbox)


@pytest.mark.logs("fault.not_put_back")
def test_a_fault_that_cannot_be_put_back_ends_no_run(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "slow/producer.py", "styles/race.py")
    hold(sandbox)
    services.run_program(sandbox, path="styles/race.py")
    with monkeypatch.context() as during:
        during.setattr(MemoryBackend, "inject", silent)
        run = services.run_program(sandbox, path="slow/producer.py")
    assert run.path == "slow/producer.py"

    services.run_program(sandbox, path="slow/producer.py")

    assert is_slow(sandbox)


def test_a_student_cannot_take_over_what_a_lab_holds(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    record = hold(sandbox)

    with pytest.raises(NotPossibleNow, match="The lab put this fault in already"):
        services.inject_fault(sandbox, Fault(kind="latency", ms=800), seconds=60)

    record.refresh_from_db()
    assert (record.ms, record.is_owners) == (200, False)


def test_a_lab_takes_over_what_its_student_put_in(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    lay(sandbox, "styles/race.py")
    services.inject_fault(sandbox, Fault(kind="latency", ms=800), seconds=60)
    hold(sandbox)

    with pytest.raises(NotPossibleNow, match="It ends with the lab's task"):
        services.undo_own_faults(sandbox, "latency")
    services.run_program(sandbox, path="styles/race.py")

    assert not is_slow(sandbox)


def test_the_end_of_a_task_leaves_in_what_its_student_put_in(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.inject_fault(sandbox, SLOW, seconds=60)

    release(sandbox)

    assert is_slow(sandbox)


def test_a_broker_that_was_stopped_for_long_has_time_to_come_back(ada: User, use_backend: Use) -> None:
    use_backend("SlowToRiseBackend")
    sandbox = ready_sandbox(ada)
    record = services.inject_fault(sandbox, STOP, seconds=120)
    settle(sandbox)
    assert sandbox.state == State.DEGRADED
    Sandbox.objects.filter(pk=sandbox.pk).update(state_since=timezone.now() - timedelta(seconds=119))

    services.undo_fault(record)
    settle(sandbox)

    assert sandbox.state == State.READY
    assert not sandbox.events.filter(new=State.FAILED).exists()
