"""The clock jumps by an hour or drifts, either way: nobody is put to sleep, nothing is done twice (F11).

For what is stored, a machine whose clock jumps ahead by an hour is one on which everything became an hour
older; that is how most tests here make it jump. A single worker's clock is simply another one for it.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db.models import DateTimeField, F
from django.utils import timezone

from sandboxes import expiry, leases, provisioning, pulse, services, sweep
from sandboxes.backends.base import Fault
from sandboxes.lifecycle import State
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent
from tests import make
from tests.faults.table import Case
from tests.sandboxes import doubles, invariants
from tests.sandboxes.driving import ready_sandbox, sweep_and_settle

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
both_ways = pytest.mark.parametrize("leap", [HOUR, -HOUR], ids=["ahead", "back"])


@pytest.fixture(autouse=True)
def backend(settings: Any) -> Iterator[None]:
    settings.SANDBOX_BACKEND = f"{doubles.HERE}.InstantBackend"
    provisioning._backend.cache_clear()
    doubles.forget_everything()
    yield
    provisioning._backend.cache_clear()


@pytest.fixture
def awake() -> list[Sandbox]:
    """Five sandboxes that are up, on a site that sweeps."""
    made = [ready_sandbox(make.student()) for _ in range(5)]
    sweep.sweep()
    return made


def jump(leap: timedelta) -> None:
    """The machine's clock shows another time from now on."""
    for model in (Sandbox, SandboxEvent, FaultRecord):
        for field in model._meta.get_fields():
            if isinstance(field, DateTimeField):
                rows = model.objects.exclude(**{field.name: None})
                rows.update(**{field.name: F(field.name) - leap})
    swept = cache.get(pulse._SWEPT)
    cache.set(pulse._SWEPT, swept - leap.total_seconds(), None)


def states() -> set[str]:
    return set(Sandbox.objects.values_list("state", flat=True))


def proven(case: Case) -> None:
    case.converged()
    case.holds(*invariants.check(), *invariants.check_idempotent())


@both_ways
@pytest.mark.fault("F11", "clock of the machine jumps by an hour", holds="I1 I2 I3 I7")
def test_nobody_is_put_to_sleep_by_a_clock_that_jumps(
    awake: list[Sandbox], leap: timedelta, case: Case
) -> None:
    jump(leap)
    sweep_and_settle()

    assert states() == {"ready"}
    now = timezone.now()
    for sandbox in Sandbox.objects.all():
        assert sandbox.expires_at
        assert sandbox.expires_at >= now + expiry.WARN - sweep.EVERY
    proven(case)


def test_after_the_notice_what_is_not_used_goes_to_sleep_all_the_same(awake: list[Sandbox]) -> None:
    jump(HOUR)
    sweep_and_settle()
    for _ in range(4):
        jump(timedelta(minutes=2))
        sweep_and_settle()

    assert states() == {"suspended"}


@pytest.mark.fault("F11", "clock drifts by two seconds from sweep to sweep", holds="I1 I2 I3 I7")
@pytest.mark.parametrize("ahead", [True, False])
def test_a_clock_that_drifts_changes_nothing_for_who_works(
    awake: list[Sandbox], ahead: bool, case: Case
) -> None:
    for _ in range(30):
        for sandbox in Sandbox.objects.all():
            services.touch(sandbox, "program")
        jump(timedelta(seconds=12 if ahead else 8))
        sweep_and_settle()

    assert states() == {"ready"}
    proven(case)


@both_ways
@pytest.mark.fault("F11", "clock jumps while a fault is in", holds="I1 I2 I3 I7")
def test_a_fault_is_taken_out_in_time_whatever_the_clock_shows(
    awake: list[Sandbox], leap: timedelta, case: Case
) -> None:
    services.inject_fault(awake[0], Fault(kind="latency", ms=200), seconds=60)
    jump(leap)
    sweep_and_settle()

    assert not FaultRecord.objects.filter(undone_at=None).exists()
    proven(case)


@both_ways
@pytest.mark.fault("F11", "clock jumps while a worker holds a lease, and dies", holds="I1 I2 I3 I7 I8")
def test_a_dead_workers_lease_ends_in_time_whatever_the_clock_shows(
    awake: list[Sandbox], leap: timedelta, case: Case
) -> None:
    old = leases.take(awake[0].pk)
    assert old
    asleep = Sandbox.objects.get(pk=awake[0].pk)
    jump(leap)
    services.stop_sandbox(awake[0])
    sweep_and_settle()

    assert Sandbox.objects.get(pk=awake[0].pk).now is State.SUSPENDED
    assert not asleep.move_to(State.DEGRADED, actor="worker", token=old.token)
    case.holds("I8")
    proven(case)


@both_ways
@pytest.mark.fault("F11", "one worker's clock is an hour off", holds="I1 I2 I3 I7 I8")
def test_a_worker_with_another_clock_takes_no_lease_that_is_held(
    awake: list[Sandbox], leap: timedelta, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = leases.take(awake[0].pk)
    assert held
    right = timezone.now

    def off() -> datetime:
        return right() + leap

    with monkeypatch.context() as patch:
        patch.setattr(timezone, "now", off)
        assert leases.take(awake[0].pk) is None
    leases.release(held)
    case.holds("I8")
    proven(case)


@both_ways
def test_what_failed_is_tried_again_in_time_whatever_the_clock_shows(leap: timedelta) -> None:
    sandbox = ready_sandbox(make.student())
    sweep.sweep()
    fields: dict[str, Any] = {"failure_cause": "x", "failure_sentence": "It fell.", "failure_retryable": True}
    soon = timezone.now() + timedelta(seconds=5)
    assert sandbox.move_to(State.FAILED, actor="worker", retry_at=soon, **fields)
    jump(leap)
    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.READY
