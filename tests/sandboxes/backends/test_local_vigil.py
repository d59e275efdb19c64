"""Who is asked whether it answers, and who is not: only a broker that is up, awake and left alone hangs."""

import os
import signal
import time
from collections.abc import Iterator

import pytest

from sandboxes.backends.base import Fault, Phase
from tests.sandboxes.backends.local_host import LocalHost, running_host, wait_until
from tests.sandboxes.backends.test_local import broker_pid

SILENT_S = 1.0
pytestmark = pytest.mark.kafka


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host(limits={"broker_look_s": 0.2, "broker_silent_s": SILENT_S}) as host:
        yield host


def until_one_would_be_found(host: LocalHost) -> None:
    """One that hangs is found so; by then everybody else was looked at as often."""
    sandbox_id = host.start()
    os.kill(broker_pid(host, sandbox_id), signal.SIGSTOP)
    host.until_phase(sandbox_id, Phase.FAILED, within_s=60)
    assert host.backend.observe(sandbox_id).cause == "broker_hung"
    host.backend.destroy(sandbox_id)


@pytest.mark.logs("sandbox.failed")
def test_a_frozen_broker_does_not_count_as_hung(host: LocalHost) -> None:
    sandbox_id = host.start()
    pid = broker_pid(host, sandbox_id)
    host.backend.freeze(sandbox_id)

    until_one_would_be_found(host)

    seen = host.backend.thaw(sandbox_id)
    assert (seen.phase, broker_pid(host, sandbox_id)) == (Phase.RUNNING, pid)
    assert host.backend.answers(sandbox_id)


@pytest.mark.logs("sandbox.failed")
@pytest.mark.parametrize("kind", ["cut", "drop_responses"])
def test_a_fault_between_broker_and_students_does_not_count_as_hung(host: LocalHost, kind: str) -> None:
    sandbox_id = host.start()
    pid = broker_pid(host, sandbox_id)
    host.backend.inject(sandbox_id, Fault(kind=kind))  # type: ignore[arg-type]

    until_one_would_be_found(host)

    assert (host.backend.observe(sandbox_id).phase, broker_pid(host, sandbox_id)) == (Phase.RUNNING, pid)


@pytest.mark.logs("sandbox.failed")
def test_a_broker_that_is_down_on_purpose_does_not_count_as_hung(host: LocalHost) -> None:
    sandbox_id = host.start()
    host.backend.inject(sandbox_id, Fault(kind="broker_stop"))
    host.until_phase(sandbox_id, Phase.STOPPED, within_s=60)

    until_one_would_be_found(host)

    assert host.backend.observe(sandbox_id).cause == "fault"
    host.backend.undo(sandbox_id, Fault(kind="broker_stop"))
    while (seen := host.backend.observe(sandbox_id)).phase is Phase.STARTING:
        assert "failure deck" in seen.detail, "the cause is told until it is up"
        time.sleep(0.05)
    host.until_phase(sandbox_id, Phase.RUNNING, within_s=60)
    assert not host.backend.observe(sandbox_id).detail
    wait_until(lambda: host.backend.answers(sandbox_id), 60, lambda: "no answer")
