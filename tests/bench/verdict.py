"""How long a verdict takes on a real sandbox beside its own Kafka calls, and whether it ever changes."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from confluent_kafka import Consumer, IsolationLevel, TopicPartition
from confluent_kafka.admin import OffsetSpec

from lessons import grading, services
from lessons.checks import AttemptFacts, Pass, SandboxView, Verdict, Waiting
from lessons.judges import LabCode, load_code
from lessons.lab_folder import LabFolder
from lessons.proving.folders import files_of, script_of
from lessons.proving.rehearsal import Rehearsal
from lessons.proving.rooms import Room
from sandboxes import kafka_calls
from sandboxes.backends.base import KafkaEndpoint
from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage
from tests.sandboxes.reference import client_settings

LAB = "5.1"
TOPIC = "task-events"
SEED = 1
ROUNDS = 2
LOOKS = 20
REPEATS = 1000
_READ_S = 5.0


def measure(stage: Stage) -> Iterator[Figure]:
    with _solved(stage) as robot:
        endpoint = robot.room.endpoint
        _look_s(robot), _raw_s(endpoint)  # first calls connect
        taken = measured("verdict", ROUNDS, lambda _: _round(robot), spare=1)
        answers = len(set(_answers(robot, robot.code)))
    ours = [[mine for mine, _ in one] for one in taken]
    raw = [[theirs for _, theirs in one] for one in taken]
    ratios = [middle(mine) / middle(theirs) for mine, theirs in zip(ours, raw, strict=True)]
    slow_raw = 1000 * max(percentile(one, 0.95) for one in raw)
    yield Figure(
        bench=f"verdict of lab {LAB}, p95",
        value=1000 * max(percentile(one, 0.95) for one in ours),
        unit="ms",
        goal="<= 2000",
        peer=slow_raw,
        note=f"p50 {1000 * max(map(middle, ours)):.0f} ms, all four tasks in one look",
    )
    yield Figure(
        bench="verdict / its raw Kafka calls",
        value=middle(ratios),
        worst=max(ratios),
        unit="x",
        goal="<= 1.5",
        peer=slow_raw,
        note="metadata, three list_offsets, one read, by confluent-kafka; medians",
    )
    yield Figure(bench=f"verdict, answers in {REPEATS} repeats", value=answers, unit="", goal="= 1")


@contextmanager
def _solved(stage: Stage) -> Iterator[Rehearsal]:
    """The lab in a sandbox where its reference solution has run."""
    folder = _folder()
    code = load_code(folder.lab, checks=folder.checks, workload=folder.workload, name=f"lab {LAB}")
    solution = folder.path / "solutions" / "reference"
    sandbox_id = stage.host.start(folder.lab.profile)
    endpoint = stage.host.backend.observe(sandbox_id).endpoint
    assert endpoint
    room = Room(backend=stage.host.backend, sandbox_id=sandbox_id, endpoint=endpoint)
    robot = Rehearsal(code, room, starter=folder.starter, seed=SEED)
    try:
        robot.prepare(files_of(solution))
        robot.play(script_of(solution), settle_s=20, until=lambda: robot.complete)
        assert robot.complete, robot.history[-4:]
        yield robot
    finally:
        robot.close()
        stage.host.destroy(sandbox_id)


def _folder() -> LabFolder:
    return next(folder for _, folder in services.read().labs() if folder.lab.id == LAB)


def _round(robot: Rehearsal) -> list[tuple[float, float]]:
    """A verdict, then its raw calls, and again."""
    return [(_look_s(robot), _raw_s(robot.room.endpoint)) for _ in range(LOOKS)]


def _look_s(robot: Rehearsal) -> float:
    began = time.monotonic()
    verdicts = grading.judge_lab(robot.code, robot.facts, robot.look(), robot.active)
    taken = time.monotonic() - began
    assert len(verdicts) == len(robot.code.lab.tasks)
    return taken


def _raw_s(endpoint: KafkaEndpoint) -> float:
    """The questions to Kafka that such a look asks, by confluent-kafka, and nothing else."""
    began = time.monotonic()
    client = kafka_calls.admin(endpoint)
    places = [
        TopicPartition(TOPIC, number) for number in client.list_topics(timeout=5).topics[TOPIC].partitions
    ]
    levels = (
        (OffsetSpec.earliest(), IsolationLevel.READ_UNCOMMITTED),
        (OffsetSpec.latest(), IsolationLevel.READ_UNCOMMITTED),
        (OffsetSpec.latest(), IsolationLevel.READ_COMMITTED),
    )
    asked = [
        client.list_offsets(dict.fromkeys(places, spec), isolation_level=level) for spec, level in levels
    ]
    starts, ends, _ = [[answer[place].result().offset for place in places] for answer in asked]
    _read(endpoint, places, starts, ends)
    return time.monotonic() - began


def _read(endpoint: KafkaEndpoint, places: list[TopicPartition], starts: list[int], ends: list[int]) -> None:
    consumer = Consumer(client_settings(endpoint, "read_uncommitted"))
    left = sum(end - start for start, end in zip(starts, ends, strict=True))
    wanted = [
        TopicPartition(TOPIC, place.partition, start)
        for place, start, end in zip(places, starts, ends, strict=True)
        if end > start
    ]
    consumer.assign(wanted)
    until = time.monotonic() + _READ_S
    while left > 0 and time.monotonic() < until:
        message = consumer.poll(0.2)
        left -= message is not None and message.error() is None
    consumer.close()
    assert left <= 0, "the raw read did not end"


def _answers(robot: Rehearsal, code: LabCode) -> Iterator[str]:
    view, facts = robot.look(), robot.facts
    for _ in range(REPEATS):
        yield repr(grading.judge_lab(code, facts, view, robot.active))


def prove(stage: Stage) -> Iterator[Proof]:
    """A judge that is slow, and one that changes its mind now and then."""
    hold_s, calls = 0.1, itertools.count()
    with _solved(stage) as robot:
        code = robot.code
        plain = middle(_look_s(robot) for _ in range(10))

        def sleepy(_view: SandboxView, _facts: AttemptFacts) -> Verdict:
            time.sleep(hold_s)
            return Pass()

        robot.code = _with(code, sleepy)
        slow = middle(_look_s(robot) for _ in range(10))
        fickle = _with(code, lambda view, facts: Pass() if next(calls) % 100 else Waiting())
        answers = len(set(_answers(robot, fickle)))
    yield Proof(what="verdict: a slow judge", put_in=hold_s, reported=slow - plain, unit="s")
    yield Proof(what="verdict: a judge of two minds", put_in=2, reported=answers, unit="answers", within=0)


def _with(code: LabCode, judge: Callable[[SandboxView, AttemptFacts], Verdict]) -> LabCode:
    """The same lab with another judge for its first task."""
    first = code.lab.tasks[0].id
    return replace(code, judges={**code.judges, first: judge})
