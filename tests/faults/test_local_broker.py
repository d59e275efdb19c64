"""F5, F6: a broker that dies, hangs or has no memory; doors and directories not as they were left."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from lessons.checks import State as Verdicts
from sandboxes import services
from sandboxes.backends.base import Fault, Phase
from sandboxes.backends.local import records
from sandboxes.lifecycle import State
from tests import make
from tests.faults.local_site import Site, log_dir, running_site, stopped
from tests.faults.table import Case, Lasting
from tests.sandboxes.backends.local_host import wait_until
from tests.sandboxes.driving import settle

pytestmark = [pytest.mark.kafka, pytest.mark.django_db, pytest.mark.xdist_group("local faults")]

# Less than a broker may be silent before it is started anew, which is the other case.
HANGING = Lasting(full_s=20, short_s=5)
SILENT = Lasting(full_s=30, short_s=6)

# A request that claims to be as large as a broker accepts: it makes room for it before the rest has come.
GREEDY = """
import socket, struct, time
lines = []
for _ in range(40):
    try:
        line = socket.create_connection(("localhost", 9092), 2)
        line.sendall(struct.pack(">i", 100_000_000) + bytes(1000))
        lines.append(line)
    except OSError:
        break
    time.sleep(0.05)
print("sent", len(lines))
time.sleep(1)
"""

# Answers whoever comes, as a port that connects to itself seems to, but is no Kafka.
IMPOSTOR = """
import socket, threading
door = socket.create_server(("127.0.0.1", 19092))
open("ready", "w").close()
def answer(line):
    while said := line.recv(4096): line.sendall(said)
while True:
    line, _ = door.accept()
    threading.Thread(target=answer, args=(line,), daemon=True).start()
"""


@pytest.fixture
def site(settings: object, db: None) -> Iterator[Site]:
    with running_site(settings) as site:
        yield site


@pytest.mark.fault("F5", "broker killed (-9)", holds="I1 I2 I3 I5")
@pytest.mark.logs("sandbox.failed")
def test_a_killed_broker_is_said_started_again_and_has_lost_nothing(site: Site, case: Case) -> None:
    sandbox, other = site.ready(), site.ready()
    view, untouched = site.view(sandbox), site.broker(other)
    os.kill(site.broker(sandbox), signal.SIGKILL)
    seen = site.until(sandbox, Phase.FAILED)
    verdict = site.verdict(view)
    case.cleared()

    site.until_ready(sandbox)
    case.converged()

    assert seen.detail.startswith("Your Kafka broker stopped unexpectedly.")
    assert verdict.state is Verdicts.NOT_READY, verdict
    assert any("stopped unexpectedly" in detail for detail in site.said(sandbox))
    assert site.kept(sandbox)
    assert site.broker(other) == untouched
    case.holds("I5", *site.check())


@pytest.mark.fault("F5", f"broker hangs for {HANGING}", holds="I1 I2 I3 I5")
def test_a_broker_that_hangs_fails_nobody_and_goes_on(site: Site, case: Case) -> None:
    sandbox = site.ready()
    view, pid = site.view(sandbox), site.broker(sandbox)
    with stopped(pid):
        until = time.monotonic() + HANGING.seconds
        verdict = site.verdict(view)
        time.sleep(max(0.0, until - time.monotonic()))
    case.cleared()

    wait_until(
        lambda: site.verdict(view).state is Verdicts.PASS, 30, lambda: "the grader cannot see it again"
    )
    case.converged()

    assert verdict.state is Verdicts.NOT_READY, verdict
    assert site.broker(sandbox) == pid
    assert site.kept(sandbox)
    site.until_ready(sandbox)
    case.holds("I5", *site.check())


@contextlib.contextmanager
def stopped_once(pid: int) -> Iterator[None]:
    """A process that hangs until somebody lets it go on."""
    os.kill(pid, signal.SIGSTOP)
    yield


@contextlib.contextmanager
def held_still(pid: int) -> Iterator[None]:
    """A process that hangs for good: whatever lets it go on is undone at once, until it is killed."""
    ended = threading.Event()

    def hold() -> None:
        with contextlib.suppress(ProcessLookupError):
            while not ended.wait(0.005):
                os.kill(pid, signal.SIGSTOP)

    holding = threading.Thread(target=hold)
    holding.start()
    try:
        yield
    finally:
        ended.set()
        holding.join()


@pytest.mark.fault("F5", f"broker hangs for good, may be silent for {SILENT}", holds="I1 I2 I3 I5")
@pytest.mark.parametrize("hangs", [stopped_once, held_still], ids=["stopped", "deaf"])
@pytest.mark.logs("sandbox.failed")
def test_a_broker_that_hangs_for_good_is_noticed_and_started_again(
    settings: object, case: Case, hangs: Callable[[int], AbstractContextManager[None]]
) -> None:
    limits = {"broker_look_s": SILENT.seconds / 3, "broker_silent_s": SILENT.seconds, "broker_stop_s": 2}
    with running_site(settings, limits=limits) as site:
        sandbox, other = site.ready(), site.ready()
        pid, untouched = site.broker(sandbox), site.broker(other)
        with hangs(pid):
            case.cleared()
            seen = site.host.until_phase(sandbox.hex, Phase.FAILED, within_s=120)
            site.until_ready(sandbox)
            case.converged()

        told = sandbox.events.get(new="degraded")
        assert (seen.cause, told.cause) == ("broker_hung", "broker_hung")
        assert told.detail.startswith("Your Kafka broker hung: it ran, and did not answer.")
        assert site.broker(sandbox) != pid
        assert site.kept(sandbox)
        assert site.broker(other) == untouched
        case.holds("I5", *site.check())


@pytest.mark.fault("F5", "broker out of memory", holds="I1 I2 I3 I5")
@pytest.mark.logs("sandbox.failed")
def test_a_broker_without_memory_ends_cleanly_and_comes_back(site: Site, case: Case) -> None:
    sandbox = site.ready()
    workspace = site.host.backend.workspace(sandbox.hex)
    workspace.write_file("greedy.py", GREEDY)
    workspace.start_program(path="greedy.py")
    seen = site.until(sandbox, Phase.FAILED)
    case.cleared()

    site.until_ready(sandbox)
    case.converged()

    assert seen.cause == "broker_out_of_memory"
    assert "ran out of memory" in seen.detail
    assert site.kept(sandbox)
    case.holds("I5", *site.check())


@pytest.mark.fault("F5", "too little memory to start at all", holds="I1 I2 I3")
@pytest.mark.logs("sandbox.failed")
def test_a_broker_that_can_never_start_is_given_up_with_a_sentence(settings: object, case: Case) -> None:
    with running_site(settings, limits={"broker_data": 32 * 1024 * 1024}) as site:
        sandbox = services.request_sandbox(make.student())
        settle(sandbox, seconds=60)
        case.converged()

        assert sandbox.now is State.FAILED
        assert (sandbox.failure_cause, sandbox.failure_retryable) == ("broker_exited", True)
        assert sandbox.failure_sentence.startswith("Your Kafka broker stopped while starting.")
        case.holds(*site.check())


@pytest.mark.fault("F6", "log directory left unclean, its lock left behind", holds="I1 I2 I3 I5")
@pytest.mark.logs("sandbox.failed", "sandbox.keeper_lost")
def test_a_log_directory_left_unclean_is_mended(site: Site, case: Case) -> None:
    """Killed with its whole sandbox in the middle of a write: half a batch at the end, and a lock."""
    sandbox = site.ready()
    os.kill(site.host.keeper_pid(sandbox.hex), signal.SIGKILL)
    site.until(sandbox, Phase.FAILED)
    folder = log_dir(site, sandbox)
    segment = next(folder.glob("orders-0/*.log"))
    with segment.open("ab") as stream:
        stream.write(segment.read_bytes()[:40])
    case.cleared()

    site.until_ready(sandbox)
    case.converged()

    assert (folder / ".lock").exists()
    assert site.kept(sandbox)
    case.holds("I5", *site.check())


@pytest.mark.fault("F6", "address of the sandbox taken", holds="I1 I2 I3 I5")
@pytest.mark.logs("sandbox.refused", "sandbox.failed")
def test_an_address_that_somebody_took_is_said_and_waited_for(site: Site, case: Case) -> None:
    sandbox, other = site.ready(), site.ready()
    services.stop_sandbox(sandbox)
    settle(sandbox, seconds=30)
    record = records.load(records.Home(site.host.sandboxes / sandbox.hex))
    assert record
    with socket.create_server((record.address, 19092)):
        services.resume(sandbox)
        settle(sandbox, seconds=60)
        failed_as, sentence = sandbox.failure_cause, sandbox.failure_sentence
        fresh = site.ready()
    case.cleared()

    services.resume(sandbox)
    site.until_ready(sandbox, other, fresh)
    case.converged()

    assert failed_as == "address_taken"
    assert "taken the address" in sentence
    assert site.kept(sandbox)
    case.holds("I5", *site.check())


@pytest.mark.fault("F6", "a port of the broker answered by something else", holds="I1 I2 I3 I5")
@pytest.mark.logs("sandbox.failed")
def test_what_only_answers_is_not_taken_for_the_broker(site: Site, case: Case) -> None:
    sandbox = site.ready()
    backend, fault = site.host.backend, Fault(kind="broker_stop")
    backend.inject(sandbox.hex, fault)
    site.until(sandbox, Phase.STOPPED)
    workspace = backend.workspace(sandbox.hex)
    workspace.write_file("impostor.py", IMPOSTOR)
    run = workspace.start_program(path="impostor.py")
    wait_until(lambda: "ready" in [one.path for one in workspace.list_files()], 60, lambda: "no impostor")
    backend.undo(sandbox.hex, fault)
    seen = site.until(sandbox, Phase.FAILED)
    case.cleared()

    workspace.kill_program(run.program_id)
    site.until_ready(sandbox)
    case.converged()

    assert seen.endpoint is None
    assert seen.detail.startswith("Your Kafka broker stopped while starting.")
    assert site.kept(sandbox)
    case.holds("I5", *site.check())
