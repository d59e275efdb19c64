"""Who outlives whom: brokers outlive the host daemon, and nothing outlives the site."""

from __future__ import annotations

import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator

import pytest
from confluent_kafka import Producer

from sandboxes.backends.base import BackendError, Phase, Spec
from sandboxes.backends.local import records
from tests.sandboxes.backends.local_host import LocalHost, running_host, until_ended, wait_until
from tests.sandboxes.backends.test_local import (
    broker_pid,
    client,
    consume,
    cpu_ticks,
    create_topic,
    descendants,
    produce,
)

pytestmark = pytest.mark.kafka

LOOP = "import time\nwhile True:\n    time.sleep(0.1)\n"


@pytest.fixture
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host


class Producing(threading.Thread):
    """Sends numbers until told to end; counts what was acknowledged."""

    def __init__(self, config: dict[str, str]) -> None:
        super().__init__()
        self._producer = Producer(config | {"enable.idempotence": "true", "message.timeout.ms": "60000"})
        self._end = threading.Event()
        self.sent = 0
        self.acknowledged = 0

    def run(self) -> None:
        while not self._end.wait(0.005):
            self._producer.produce("orders", str(self.sent), on_delivery=self._delivered)
            self.sent += 1
            self._producer.poll(0)

    def finish(self) -> None:
        self._end.set()
        self.join()
        self._producer.flush(60)

    def _delivered(self, error: object, _: object) -> None:
        self.acknowledged += error is None


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP])
def test_a_producer_loses_nothing_while_the_host_is_restarted(host: LocalHost, number: int) -> None:
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    before = broker_pid(host, sandbox_id), host.backend.observe(sandbox_id)
    producing = Producing(client(host, sandbox_id))
    producing.start()
    time.sleep(0.5)

    host.end_daemon(number)
    time.sleep(1)
    host.start_daemon()
    host.until_phase(sandbox_id, Phase.RUNNING)
    time.sleep(2)
    producing.finish()

    assert producing.sent == producing.acknowledged > 100
    assert sorted(map(int, consume(host, sandbox_id, "orders", producing.sent))) == list(
        range(producing.sent)
    )
    assert (broker_pid(host, sandbox_id), host.backend.observe(sandbox_id)) == before


def test_programs_end_with_the_host_and_say_why(host: LocalHost) -> None:
    sandbox_id = host.start()
    workspace = host.backend.workspace(sandbox_id)
    workspace.write_file("loop.py", LOOP)
    run = workspace.start_program(path="loop.py")

    host.restart_daemon()

    ended = until_ended(workspace, run.program_id)
    assert (ended.reason, ended.exit_code, ended.signal) == ("host_restart", None, None)
    assert [one.program_id for one in workspace.programs()] == [run.program_id]
    host.until_phase(sandbox_id, Phase.RUNNING)
    keeper = host.keeper_pid(sandbox_id)
    # The keeper, and bubblewrap with the broker; the program's launcher may still be about to end.
    wait_until(lambda: len(descendants(keeper)) == 3, 60, lambda: f"left: {descendants(keeper)}")


def test_event_numbers_go_on_after_a_restart(host: LocalHost) -> None:
    sandbox_id = host.start()
    workspace = host.backend.workspace(sandbox_id)
    workspace.write_file("hello.py", "print('hello')")
    until_ended(workspace, workspace.start_program(path="hello.py").program_id)
    state = records.load(records.Home(host.sandboxes / sandbox_id))

    host.restart_daemon()

    assert state
    workspace.start_program(path="hello.py")
    again = records.load(records.Home(host.sandboxes / sandbox_id))
    assert again
    assert again.next_seq > state.next_seq > 4


def test_a_frozen_sandbox_stays_frozen_over_a_restart(host: LocalHost) -> None:
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    host.backend.freeze(sandbox_id)
    host.restart_daemon()

    seen = host.backend.observe(sandbox_id)
    before = cpu_ticks(broker_pid(host, sandbox_id))
    time.sleep(0.5)

    assert (seen.phase, seen.frozen) == (Phase.RUNNING, True)
    assert cpu_ticks(broker_pid(host, sandbox_id)) == before
    host.backend.thaw(sandbox_id)
    produce(host, sandbox_id, "orders", ["awake"])


def test_a_sandbox_that_was_starting_when_the_host_died_comes_up(host: LocalHost) -> None:
    sandbox_id = "0" * 31 + "a"
    host.backend.ensure(Spec(sandbox_id=sandbox_id))
    time.sleep(0.15)

    host.restart_daemon()
    host.backend.ensure(Spec(sandbox_id=sandbox_id))

    host.until_phase(sandbox_id, Phase.RUNNING)


def test_a_site_that_stops_in_order_leaves_nothing_running_and_all_data(host: LocalHost) -> None:
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    produce(host, sandbox_id, "orders", ["kept"])
    family = descendants(host.keeper_pid(sandbox_id))

    host.end_daemon(signal.SIGTERM)

    assert not any(map(records.process_start, family))
    host.start_daemon()
    assert host.backend.observe(sandbox_id).phase is Phase.STOPPED
    host.backend.ensure(Spec(sandbox_id=sandbox_id))
    host.until_phase(sandbox_id, Phase.RUNNING)
    assert consume(host, sandbox_id, "orders", 1) == ["kept"]


@pytest.mark.slow
def test_nothing_is_left_twenty_seconds_after_the_holder_of_the_lock_was_killed(host: LocalHost) -> None:
    sandbox_id = host.start()
    host.backend.workspace(sandbox_id).write_file("loop.py", LOOP)
    host.backend.workspace(sandbox_id).start_program(path="loop.py")
    family = descendants(host.keeper_pid(sandbox_id))
    host.end_daemon(signal.SIGKILL)
    host.let_lock_go()

    time.sleep(10)
    assert records.process_start(family[0])  # a site that comes back at once finds its brokers
    wait_until(lambda: not any(map(records.process_start, family)), 10, lambda: f"left: {family}")

    host.hold_lock()
    host.start_daemon()
    seen = host.backend.observe(sandbox_id)
    assert (seen.phase, seen.cause) == (Phase.STOPPED, "host_restarted")


def test_a_reused_pid_is_not_taken_for_a_keeper(host: LocalHost) -> None:
    sandbox_id = host.start()
    host.end_daemon(signal.SIGHUP)
    home = records.Home(host.sandboxes / sandbox_id)
    record = records.load(home)
    assert record
    os.kill(record.keeper_pid, signal.SIGKILL)
    record.keeper_pid = os.getpid()
    records.save(home, record)

    host.start_daemon()

    assert host.backend.observe(sandbox_id).phase is Phase.STOPPED


def test_data_without_its_record_is_kept_and_never_built_over(host: LocalHost) -> None:
    sandbox_id = host.start()
    host.backend.suspend(sandbox_id)
    host.until_phase(sandbox_id, Phase.STOPPED)
    host.end_daemon()
    home = records.Home(host.sandboxes / sandbox_id)
    home.state.write_text("")  # as a power cut may leave it
    before = sorted(path.name for path in (home.data / "k1").iterdir())
    host.start_daemon()

    with pytest.raises(BackendError, match="Start over") as refused:
        host.backend.ensure(Spec(sandbox_id=sandbox_id))

    assert not refused.value.retryable
    assert host.backend.observe(sandbox_id).phase is Phase.STOPPED
    assert sorted(path.name for path in (home.data / "k1").iterdir()) == before
    host.destroy(sandbox_id)


def test_a_start_that_was_cut_off_before_it_wrote_anything_begins_anew(host: LocalHost) -> None:
    sandbox_id = uuid.uuid4().hex
    (host.sandboxes / sandbox_id / "data").mkdir(parents=True)

    host.backend.ensure(Spec(sandbox_id=sandbox_id))

    host.until_phase(sandbox_id, Phase.RUNNING)
