"""Whole attempts on a real broker: begun, worked at, judged, reset."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from asgiref.sync import sync_to_async

from accounts.models import User
from config import paths
from lessons import grader, rounds, selectors, services
from lessons.grader import Grader
from lessons.models import Attempt, LabVersion, VerdictRow
from sandboxes import provisioning, stagehand
from sandboxes.backends.base import Fault, KafkaEndpoint, Workspace
from sandboxes.models import FaultRecord, Sandbox
from sandboxes.observe import open_view
from sandboxes.stagehand import OutgoingRecord, TopicWish
from sandboxes.view import GroupView
from tests import make, small_course
from tests.lessons import rows
from tests.live.valkey import running_valkey
from tests.sandboxes.backends.local_host import LocalHost, until_ended

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.django_db(transaction=True),
    # No Redis runs beside these; what a watched attempt costs is tested where one does.
    pytest.mark.logs("announce.watch_lost"),
]

LAB = """\
id: "1.1"
slug: one
title: Three orders
minutes: 5
points: 1
owns: {topics: [orders], groups: [readers]}
setup: {topics: [{name: orders, partitions: 2}]}
programs: [{path: main.py}]
tasks:
- id: three
  title: Send three
  check: three
  stimulus: [{fault: latency, ms: 200}, {workload: true}]
hints:
  LOST: ["One.", "Two.", "Three."]
"""
CHECKS = """\
from lessons.checks import Fail, Pass, Waiting

def three(view, attempt):
    runs = [run for run in view.programs() if run.started_at >= attempt.activated_at]
    if not runs or runs[-1].running:
        return Waiting("Run main.py.")
    found = view.records("orders", since=attempt.horizon)
    mine = [record for record in found if record.fields().get("nonce") == attempt.nonce]
    return Pass() if len(mine) == 3 else Fail("LOST", f"{len(mine)} of 3 arrived.", look="record")
"""
WORKLOAD = """\
from lessons.checks import WorkloadRecord

def records(*, seed, nonce):
    return [WorkloadRecord(after=n / 10, topic="orders", value=f"noise {seed} {n}") for n in range(4)]
"""
STARTER = """\
import json
from confluent_kafka import Producer

lab = json.load(open("lab.json"))
where = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
producer = Producer(where)
for n in range(3):
    producer.produce("orders", json.dumps({"nonce": lab["nonce"], "n": n}))
"""
# Ends as it is told to, or does not hear of it; only the first kind leaves its group.
READER = """\
import signal, sys
from confluent_kafka import Consumer

where = dict(line.strip().split("=", 1) for line in open("../kafka.properties") if "=" in line)
consumer = Consumer({**where, "group.id": "readers", "group.protocol": "%s", "auto.offset.reset": "earliest"})
going = [True]
signal.signal(signal.SIGTERM, lambda *_: going.clear() if %s else None)
consumer.subscribe(["orders"])
while going:
    record = consumer.poll(0.2)
    if record is not None and not record.error():
        consumer.commit(record, asynchronous=False)
consumer.close()
"""
SOLUTION = STARTER + "assert producer.flush(20) == 0\n"


@pytest.fixture
def version(
    tmp_path: Path, settings: Any, host: LocalHost, monkeypatch: pytest.MonkeyPatch
) -> Iterable[LabVersion]:
    lab = small_course.write(tmp_path) / "01-first/labs/one"
    for name, text in {
        "lab.yaml": LAB, "checks.py": CHECKS, "workload.py": WORKLOAD, "starter/main.py": STARTER,
    }.items():  # fmt: skip
        (lab / name).write_text(text)
    settings.LESSONS_CONTENT, settings.SANDBOX_BACKEND = tmp_path, "local"
    settings.CELERY_TASK_ALWAYS_EAGER = False
    monkeypatch.setattr(paths, "HOST_SOCKET", host.socket)
    monkeypatch.setattr(services, "ring_on_commit", lambda _id: None)
    provisioning._backend.cache_clear()
    services.load_course()
    selectors.forget_course()
    yield LabVersion.objects.get()
    provisioning._backend.cache_clear()


class Desk:
    """A student at work: their sandbox, its Kafka and their files."""

    def __init__(self, host: LocalHost, user: User) -> None:
        self.host, self.user = host, user
        self.hex = host.start()
        self.sandbox = Sandbox.objects.create(id=UUID(hex=self.hex), owner=user, state="ready")

    @property
    def workspace(self) -> Workspace:
        return self.host.backend.workspace(self.hex)

    @property
    def endpoint(self) -> KafkaEndpoint:
        return provisioning.endpoint(self.sandbox.id)

    def run(self, program: str | None = None) -> None:
        if program is not None:
            self.workspace.write_file("one/main.py", program)
        run = self.workspace.start_program(path="one/main.py")
        until_ended(self.workspace, run.program_id)


@pytest.fixture
def desk(host: LocalHost, version: LabVersion) -> Iterable[Desk]:
    desk = Desk(host, make.student("ada"))
    yield desk
    host.destroy(desk.hex)


def until(true: Callable[[], object], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


async def eventually(true: Callable[[], bool], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not await sync_to_async(true)():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.1)


def test_an_attempt_from_begin_to_done(desk: Desk, version: LabVersion) -> None:
    attempt = services.start_attempt(desk.user, version)

    told = json.loads(desk.workspace.read_file("one/lab.json").text)
    assert told == {"lab": "1.1", "nonce": attempt.nonce, "seed": attempt.seed}
    assert desk.workspace.read_file("one/main.py").text == STARTER
    assert attempt.horizon == {"orders": [0, 0]}

    rounds.run_round(attempt.pk)
    assert FaultRecord.objects.get(undone_at=None).kind == "latency"
    assert rows.progress(desk.user, "three").verdict["sentence"] == "Run main.py."

    desk.run()  # the starter: nobody waits for the broker, which answers 200 ms late
    rounds.run_round(attempt.pk)
    assert (VerdictRow.objects.get().cause, rows.progress(desk.user, "three").state) == ("LOST", "fail")

    desk.run(SOLUTION)
    outcome = rounds.run_round(attempt.pk)
    assert outcome.finished
    assert rows.progress(desk.user, "three").passed_at is not None
    assert not FaultRecord.objects.filter(undone_at=None).exists()


def test_the_workload_is_sent_once_and_numbered(desk: Desk, version: LabVersion) -> None:
    attempt = services.start_attempt(desk.user, version)
    until(lambda: rounds.run_round(attempt.pk) and Attempt.objects.get().sent.get("three") == 4)
    rounds.run_round(attempt.pk)

    noise = [r for r in open_view(desk.sandbox.id).records("orders") if r.text.startswith("noise")]

    assert sorted(record.header("mr-workload") or b"" for record in noise) == [b"0", b"1", b"2", b"3"]


def test_beginning_twice_is_beginning_once_and_keeps_the_students_work(
    desk: Desk, version: LabVersion
) -> None:
    first = services.start_attempt(desk.user, version)
    desk.workspace.write_file("one/main.py", "mine")

    second = services.start_attempt(desk.user, version)

    assert second.pk == first.pk
    assert desk.workspace.read_file("one/main.py").text == "mine"


def test_reset_touches_only_what_the_lab_owns(desk: Desk, version: LabVersion) -> None:
    stagehand.ensure_topics(desk.endpoint, [TopicWish(name="my-own")])
    stagehand.send(desk.endpoint, [OutgoingRecord(topic="my-own", value="keep")])
    first = services.start_attempt(desk.user, version)
    desk.workspace.write_file("notes.txt", "keep")
    desk.run(SOLUTION)

    second = services.reset_lab(desk.user, version)

    assert second.pk != first.pk
    assert second.nonce != first.nonce
    view = open_view(desk.sandbox.id)
    assert [record.text for record in view.records("my-own")] == ["keep"]
    assert view.records("orders") == ()
    assert desk.workspace.read_file("notes.txt").text == "keep"
    assert desk.workspace.read_file("one/main.py").text == SOLUTION
    desk.workspace.delete_file("one/main.py")
    services.reset_lab(desk.user, version)
    assert desk.workspace.read_file("one/main.py").text == STARTER


def group_of(desk: Desk) -> GroupView | None:
    return open_view(desk.sandbox.id).group("readers")


@pytest.mark.parametrize("protocol", ["classic", "consumer"])
@pytest.mark.parametrize("listens", [True, False])
def test_reset_ends_a_program_that_reads_in_a_group_and_forgets_what_the_group_has_read(
    desk: Desk, version: LabVersion, protocol: str, listens: bool
) -> None:
    services.start_attempt(desk.user, version)
    stagehand.send(desk.endpoint, [OutgoingRecord(topic="orders", value="one")])
    desk.workspace.write_file("one/main.py", READER % (protocol, listens))
    run = desk.workspace.start_program(path="one/main.py")
    until(lambda: (group := group_of(desk)) and group.committed, within_s=60)

    attempt = services.reset_lab(desk.user, version)

    ended = next(one for one in desk.workspace.programs() if one.program_id == run.program_id)
    group = group_of(desk)
    assert ended.reason == "stopped"
    assert attempt.horizon == {"orders": [0, 0]}
    assert group is None if listens else group is not None and not group.committed


def test_records_of_an_earlier_attempt_never_pass(desk: Desk, version: LabVersion) -> None:
    services.start_attempt(desk.user, version)
    desk.run(SOLUTION)
    attempt = services.reset_lab(desk.user, version)
    stagehand.send(desk.endpoint, [
        OutgoingRecord(topic="orders", value=json.dumps({"nonce": "an-old-one", "n": n})) for n in range(3)
    ])  # fmt: skip
    desk.run("pass")

    rounds.run_round(attempt.pk)

    assert rows.progress(desk.user, "three").state == "fail"
    assert "0 of 3" in rows.progress(desk.user, "three").verdict["sentence"]


def test_a_broker_killed_while_judging_is_nobodys_failure(desk: Desk, version: LabVersion) -> None:
    attempt = services.start_attempt(desk.user, version)
    desk.run()  # would fail
    desk.host.backend.inject(desk.hex, Fault(kind="broker_kill"))

    rounds.run_round(attempt.pk)

    assert rows.progress(desk.user, "three").state == "not_ready"
    assert VerdictRow.objects.count() == 0
    desk.host.backend.undo(desk.hex, Fault(kind="broker_kill"))


async def test_the_grader_judges_by_itself_soon_after_a_program_ends(
    desk: Desk, version: LabVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt = await sync_to_async(services.start_attempt)(desk.user, version)
    monkeypatch.setattr(grader, "keep_watched", lambda _id: None)

    def ring(attempts: Iterable[UUID]) -> None:
        for one in attempts:
            rounds.run_round(one)

    with running_valkey() as valkey:
        running = asyncio.create_task(Grader(redis_url=valkey.url, ringer=ring).run())
        try:
            await eventually(lambda: bool(rows.progress(desk.user, "three").verdict))
            await asyncio.to_thread(desk.run, SOLUTION)
            ended = time.monotonic()
            await eventually(lambda: rows.progress(desk.user, "three").state == "pass")
            took_s = time.monotonic() - ended
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    assert took_s < 4, "the safety poll of 5 s, not the end of the program, led to the verdict"
    assert await sync_to_async(lambda: Attempt.objects.get(pk=attempt.pk).ended_at)()
