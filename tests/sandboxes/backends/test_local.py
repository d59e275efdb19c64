"""What only real processes show: records, relays, exact ends of programs, limits, files under attack."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from sandboxes.backends.base import BackendError, Fault, FileRefused, Phase, ProgramRun, Spec
from sandboxes.backends.local import records
from tests.sandboxes.backends.local_host import (
    LocalHost,
    output_of,
    run_program,
    running_host,
    until_ended,
    wait_until,
)

pytestmark = pytest.mark.kafka

PRODUCE_ONE = """
import sys
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": "localhost:9092", "message.timeout.ms": 5000, "log_level": 0})
producer.produce("orders", b"from inside", callback=lambda error, record: print(error or record.offset()))
producer.flush(6)
"""

# The quickest of five answers: what lasts longer than that was held back, not merely on a busy machine.
ASK = """
import time
from confluent_kafka import Producer
producer = Producer({"bootstrap.servers": "localhost:9092", "log_level": 0})
producer.list_topics(timeout=30)
took = []
for _ in range(5):
    began = time.monotonic()
    producer.list_topics(timeout=30)
    took.append(time.monotonic() - began)
print(min(took))
"""

TIDY = """
import os
os.rmdir("trap") if os.path.isdir("trap") and not os.path.islink("trap") else os.unlink("trap")
"""


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host
        assert " ERROR " not in host.log, host.log


@pytest.fixture(scope="module")
def running(host: LocalHost) -> str:
    """One sandbox for the tests that leave it as it was."""
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    return sandbox_id


def client(host: LocalHost, sandbox_id: str) -> dict[str, Any]:
    endpoint = host.backend.observe(sandbox_id).endpoint
    assert endpoint
    return endpoint.client_config() | {"log_level": "0"}


def create_topic(host: LocalHost, sandbox_id: str, name: str) -> None:
    admin = AdminClient(client(host, sandbox_id))
    for future in admin.create_topics([NewTopic(name, num_partitions=1)]).values():
        future.result(20)


def produce(host: LocalHost, sandbox_id: str, topic: str, values: list[str]) -> None:
    producer = Producer(client(host, sandbox_id))
    for value in values:
        producer.produce(topic, value)
    assert producer.flush(20) == 0


def consume(host: LocalHost, sandbox_id: str, topic: str, count: int) -> list[str]:
    consumer = Consumer(
        client(host, sandbox_id)
        | {"group.id": uuid.uuid4().hex, "group.protocol": "consumer", "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    seen: list[str] = []
    until = time.monotonic() + 30
    while len(seen) < count and time.monotonic() < until:
        record = consumer.poll(0.2)
        if record and not record.error():
            seen.append((record.value() or b"").decode())
    consumer.close()
    return seen


# Kafka


def test_a_suspended_sandbox_keeps_its_records(host: LocalHost) -> None:
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    values = [f"order {number}" for number in range(100)]
    produce(host, sandbox_id, "orders", values)

    host.backend.suspend(sandbox_id)
    host.until_phase(sandbox_id, Phase.STOPPED)
    host.backend.resume(sandbox_id)
    host.until_phase(sandbox_id, Phase.RUNNING)

    assert consume(host, sandbox_id, "orders", 100) == values
    host.destroy(sandbox_id)


def test_a_killed_broker_comes_back_with_every_acknowledged_record(host: LocalHost) -> None:
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    produce(host, sandbox_id, "orders", ["before"])
    fault = Fault(kind="broker_kill")

    host.backend.inject(sandbox_id, fault)
    seen = host.until_phase(sandbox_id, Phase.STOPPED)
    again = host.backend.ensure(Spec(sandbox_id=sandbox_id))
    host.backend.undo(sandbox_id, fault)
    host.until_phase(sandbox_id, Phase.RUNNING)

    assert seen.cause == "fault"
    assert again.phase is Phase.STOPPED  # ensure does not heal what the failure deck broke
    assert consume(host, sandbox_id, "orders", 1) == ["before"]
    host.destroy(sandbox_id)


@pytest.mark.logs("sandbox.failed")
def test_a_broker_that_crashes_is_reported_and_ensure_starts_it_again(host: LocalHost) -> None:
    sandbox_id = host.start()
    os.kill(broker_pid(host, sandbox_id), 9)

    seen = host.until_phase(sandbox_id, Phase.FAILED)
    assert seen.cause == "broker_exited"
    assert seen.detail.startswith("Your Kafka broker stopped unexpectedly.")
    host.backend.ensure(Spec(sandbox_id=sandbox_id))

    host.until_phase(sandbox_id, Phase.RUNNING)
    host.destroy(sandbox_id)


@pytest.mark.logs("sandbox.keeper_lost", "sandbox.failed")
def test_a_sandbox_whose_keeper_dies_is_reported_and_ensure_makes_it_again(host: LocalHost) -> None:
    sandbox_id = host.start()
    create_topic(host, sandbox_id, "orders")
    produce(host, sandbox_id, "orders", ["before"])
    os.kill(host.keeper_pid(sandbox_id), 9)

    assert host.until_phase(sandbox_id, Phase.FAILED).cause == "sandbox_lost"
    host.backend.ensure(Spec(sandbox_id=sandbox_id))
    host.until_phase(sandbox_id, Phase.RUNNING)

    assert consume(host, sandbox_id, "orders", 1) == ["before"]
    host.destroy(sandbox_id)


def test_a_frozen_broker_uses_no_cpu_and_wakes_at_once(host: LocalHost, running: str) -> None:
    produce(host, running, "orders", ["warm"])
    broker = broker_pid(host, running)
    host.backend.freeze(running)
    wait_until(lambda: stands_still(broker), 30, lambda: "some of its threads run on")
    before = cpu_ticks(broker)
    time.sleep(1)
    used = cpu_ticks(broker) - before

    began = time.monotonic()
    host.backend.thaw(running)
    produce(host, running, "orders", ["awake"])
    took_s = time.monotonic() - began

    assert used == 0
    assert took_s < 20  # about 20 ms on a quiet machine; a hang is what this would find


def test_the_platforms_listener_refuses_a_wrong_password(host: LocalHost, running: str) -> None:
    config = client(host, running) | {"sasl.password": "guess", "log_level": "0"}

    with pytest.raises(Exception, match=r"(?i)auth|timed out|transport"):
        AdminClient(config).list_topics(timeout=3)


def test_an_unknown_topic_is_not_created_by_asking_for_it(host: LocalHost, running: str) -> None:
    producer = Producer(client(host, running))
    producer.list_topics("tyop", timeout=10)  # a producer's question creates, where creating is on

    assert "tyop" not in producer.list_topics(timeout=10).topics


# Relays and their faults


def produce_inside(host: LocalHost, sandbox_id: str) -> str:
    _, said = run_program(host.backend.workspace(sandbox_id), PRODUCE_ONE, path="produce_one.py")
    return said.strip()


def test_a_program_reaches_its_broker_at_the_usual_address(host: LocalHost, running: str) -> None:
    said = produce_inside(host, running)

    assert said.isdigit(), said


@pytest.mark.parametrize("kind", ["cut", "drop_responses"])
def test_a_program_gets_no_acknowledgement_through_a_broken_way(
    host: LocalHost, running: str, kind: str
) -> None:
    fault = Fault(kind=kind)  # type: ignore[arg-type]
    host.backend.inject(running, fault)
    said = produce_inside(host, running)
    produce(host, running, "orders", ["the platform has a way of its own"])
    host.backend.undo(running, fault)

    assert "_MSG_TIMED_OUT" in said, said
    assert produce_inside(host, running).isdigit()


def test_responses_arrive_late_by_the_set_latency(host: LocalHost, running: str) -> None:
    workspace = host.backend.workspace(running)
    _, plain_s = run_program(workspace, ASK, path="ask.py", within_s=60)
    fault = Fault(kind="latency", ms=400)
    host.backend.inject(running, fault)
    _, slow_s = run_program(workspace, ASK, path="ask.py", within_s=60)
    host.backend.undo(running, fault)

    assert float(slow_s) >= 0.4 > float(plain_s)


# Programs


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("raise SystemExit(0)", (0, None, "")),
        ("raise SystemExit(3)", (3, None, "")),
        ("raise SystemExit(137)", (137, None, "")),
        ("raise SystemExit(255)", (255, None, "")),
        ("raise ValueError", (1, None, "")),
        ("import os; os.kill(os.getpid(), 9)", (None, 9, "")),
        ("import os; os.kill(os.getpid(), 15)", (None, 15, "")),
        ("import os; os.abort()", (None, 6, "")),
        ("import ctypes; ctypes.string_at(0)", (None, 11, "")),
        ("import os; os.kill(os.getppid(), 9)", (None, 9, "")),
    ],
)
def test_a_program_ends_with_exactly_its_code_or_signal(
    host: LocalHost, running: str, code: str, expected: tuple[int | None, int | None, str]
) -> None:
    ended, _ = run_program(host.backend.workspace(running), code)

    assert (ended.exit_code, ended.signal, ended.reason) == expected


def test_a_program_runs_in_the_folder_of_its_file(host: LocalHost, running: str) -> None:
    workspace = host.backend.workspace(running)
    workspace.write_file("lab/helper.py", "WORD = 'help'\n")
    workspace.write_file("lab/lab.json", '{"nonce": "n"}')
    text = "import helper, os, sys; print(os.getcwd(), helper.WORD, open('lab.json').read(), sys.argv)"

    _, said = run_program(workspace, text, path="lab/main.py", args=("--count", "3"))

    assert said == "/workspace/lab help {\"nonce\": \"n\"} ['main.py', '--count', '3']\n"


def test_a_program_may_write_files_that_the_editor_then_reads(host: LocalHost, running: str) -> None:
    workspace = host.backend.workspace(running)

    run_program(workspace, "open('made.txt', 'w').write('by a program')")

    assert workspace.read_file("made.txt").text == "by a program"
    workspace.write_file("made.txt", "by the editor")
    assert run_program(workspace, "print(open('made.txt').read())")[1] == "by the editor\n"


def test_a_program_that_ignores_sigterm_is_killed_three_seconds_later(host: LocalHost, running: str) -> None:
    workspace = host.backend.workspace(running)
    workspace.write_file(
        "stubborn.py",
        "import signal, time\nsignal.signal(15, lambda *_: print('no'))\nprint('up')\n"
        "while True: time.sleep(0.1)",
    )
    run = workspace.start_program(path="stubborn.py")
    wait_until(lambda: "up" in said_so_far(host, running, run), 10, lambda: "it did not start")

    began = time.monotonic()
    workspace.stop_program(run.program_id)
    ended = until_ended(workspace, run.program_id)

    assert (ended.signal, ended.reason) == (9, "stopped")
    assert time.monotonic() - began > 2.5
    assert output_of(workspace, run.program_id).endswith("no\n")


# Files under attack


@pytest.mark.parametrize(
    ("trap", "path"),
    [
        ("os.symlink('/etc/passwd', 'trap')", "trap"),
        ("os.symlink('/', 'trap')", "trap/etc/passwd"),
        ("os.symlink('kafka.properties', 'trap')", "trap"),
        ("os.mkfifo('trap')", "trap"),
        ("os.mkdir('trap')", "trap"),
        ("import socket; socket.socket(socket.AF_UNIX).bind('trap')", "trap"),
    ],
)
def test_the_editor_does_not_fall_into_a_trap_set_by_a_program(
    host: LocalHost, running: str, trap: str, path: str
) -> None:
    workspace = host.backend.workspace(running)
    run_program(workspace, f"import os\n{trap}")

    with pytest.raises(FileRefused):
        workspace.read_file(path)
    assert "trap" not in [info.path for info in workspace.list_files()]
    run_program(workspace, TIDY)


def test_writing_where_a_link_points_replaces_the_link(host: LocalHost, running: str) -> None:
    workspace = host.backend.workspace(running)
    secret = Path(host.directory) / "outside"
    secret.write_text("untouched")
    run_program(workspace, f"import os\nos.symlink({str(secret)!r}, 'link.txt')")

    workspace.write_file("link.txt", "mine")

    assert secret.read_text() == "untouched"
    assert workspace.read_file("link.txt").text == "mine"


# Its own ground


def test_an_id_that_is_no_id_is_refused(host: LocalHost) -> None:
    for name in ("../outside", "a" * 31, "A" * 32, ""):
        with pytest.raises(BackendError):
            host.backend.observe(name)


def test_two_sandboxes_have_two_addresses_and_two_users(host: LocalHost, running: str) -> None:
    other = host.start()
    first = records.load(records.Home(host.sandboxes / running))
    second = records.load(records.Home(host.sandboxes / other))
    assert first
    assert second

    assert first.address != second.address
    assert (first.token, first.password, first.cluster_id) != (
        second.token,
        second.password,
        second.cluster_id,
    )
    owners = {
        path.stat().st_uid for path in (host.sandboxes / running / "work", host.sandboxes / other / "work")
    }
    assert len(owners) == (2 if os.geteuid() == 0 else 1)
    host.destroy(other)


def test_a_destroyed_sandbox_leaves_no_process_and_no_file(host: LocalHost) -> None:
    sandbox_id = host.start()
    workspace = host.backend.workspace(sandbox_id)
    run_program(workspace, "import os\nos.makedirs('deep/er')\nos.chmod('deep', 0)")
    keeper = host.keeper_pid(sandbox_id)
    family = descendants(keeper)
    assert len(family) >= 3

    host.destroy(sandbox_id)

    wait_until(lambda: not any(map(records.process_start, family)), 3, lambda: f"left: {family}")
    assert not (host.sandboxes / sandbox_id).exists()


def test_the_token_is_in_no_argument_list(host: LocalHost, running: str) -> None:
    record = records.load(records.Home(host.sandboxes / running))
    assert record

    assert not processes_with(record.token)
    assert not processes_with(record.password)


def test_the_hosts_socket_is_for_its_user_only(host: LocalHost) -> None:
    assert host.socket.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.logs("host.request_odd")
def test_a_request_that_makes_no_sense_does_not_hurt_the_host(host: LocalHost) -> None:
    for said in (b"\n", b"[]\n", b'{"op": "__init__"}\n', b'{"op": "ensure"}\n', b"\xff" * 100 + b"\n"):
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(str(host.socket))
            line.sendall(said)
            line.settimeout(5)
            line.recv(4096)

    assert host.backend.tier()


def said_so_far(host: LocalHost, sandbox_id: str, run: ProgramRun) -> str:
    import asyncio

    async def collect() -> str:
        said = ""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.3):
                async for event in host.backend.workspace(sandbox_id).follow(after=0):
                    if event.program_id == run.program_id:
                        said += event.text
        return said

    return asyncio.run(collect())


def descendants(pid: int) -> list[int]:
    """A process and all below it, as the machine numbers them."""
    found = [pid]
    for one in found:
        with contextlib.suppress(FileNotFoundError):  # it ended while we looked
            for path in Path(f"/proc/{one}/task").glob("*/children"):
                found += map(int, path.read_text().split())
    return found


def broker_pid(host: LocalHost, sandbox_id: str) -> int:
    return next(
        pid
        for pid in descendants(host.keeper_pid(sandbox_id))
        if b"kafka.Kafka" in Path(f"/proc/{pid}/cmdline").read_bytes()
        and Path(f"/proc/{pid}/comm").read_text().strip() == "java"
    )


def stands_still(pid: int) -> bool:
    """Whether every thread has heard the signal; on a busy machine that takes a while."""
    stats = [path.read_bytes() for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return all(stat.rpartition(b")")[2].split()[0] == b"T" for stat in stats)


def cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    return int(fields[11]) + int(fields[12])


def processes_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes()
        except OSError:
            continue
        if word.encode() in line:
            found.append(line.decode(errors="replace"))
    return found
