"""What lab 5.1 says of programs that sent nothing, too little, elsewhere, too early or twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from lessons.checks import (
    FaultView,
    Horizon,
    Isolation,
    PartitionOffsets,
    RecordView,
    State,
    Verdict,
)
from lessons.judges import load_code
from lessons.labs import Lab
from lessons.sources import read_yaml
from lessons.stimulus import NUMBER_HEADER
from tests.lessons import labs
from tests.lessons.paper import PaperView, run_of

HERE = Path(__file__).parents[2] / "lessons/content/05-first-producer/labs/first-events"
SPEC = Lab.model_validate(read_yaml(HERE / "lab.yaml").data)
JUDGES = load_code(SPEC, checks=(HERE / "checks.py").read_text(), workload="", name="5.1").judges
TOPIC = "task-events"
RUN = replace(run_of("first-events/producer.py", started_at=1000.0), ended_at=1003.0, exit_code=0)
LATE = FaultView(kind="latency", node=1, ms=200, at=990.0, until=None)


@dataclass(slots=True)
class Log(PaperView):
    """Records by topic, stamped by hand. hidden: those of a transaction that was not committed."""

    kept: dict[str, list[RecordView]] = field(default_factory=dict)
    hidden: Sequence[RecordView] = ()
    is_open: bool = False

    def __post_init__(self) -> None:
        self.log = {name: [[b""] * len(records)] for name, records in self.kept.items()}
        self.runs, self.breakdowns, self.now = self.runs or (RUN,), self.breakdowns or (LATE,), 1010.0

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        found = self.kept.get(name, [])
        return (*found, *(self.hidden if isolation == "read_uncommitted" and name == TOPIC else ()))

    def offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        behind = len(self.hidden) if self.is_open and name == TOPIC else 0
        return tuple(
            replace(part, end=part.end + behind, stable=part.stable) for part in PaperView.offsets(self, name)
        )


def made(tmp_path: Path) -> list[dict[str, str]]:
    """The fifty tasks as the starter makes them, in a program of its own."""
    (tmp_path / "lab.json").write_text(json.dumps({"lab": "5.1", "nonce": "n0nce", "seed": 1}))
    done = subprocess.run(
        [sys.executable, "-c", "import json, tasks; print(json.dumps(tasks.created_tasks()))"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE / "starter"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    tasks: list[dict[str, str]] = json.loads(done.stdout)
    return tasks


def events(
    tmp_path: Path, *, at: float = 1002.0, changes: dict[str, object] | None = None
) -> list[RecordView]:
    """Fifty right records, or the same with other fields."""
    return [record(task, number, at, changes or {}) for number, task in enumerate(made(tmp_path))]


def record(task: dict[str, str], number: int, at: float, changes: dict[str, object]) -> RecordView:
    body = {
        "event_id": str(UUID(int=number + 1, version=4)), "event_type": "task.created", "event_version": 1,
        "occurred_at": datetime.now(UTC).isoformat(), "source": "task-api", "task_id": task["task_id"],
        "correlation_id": "c", "actor": task["agent"], "data": {"title": task["title"]},
    } | changes  # fmt: skip
    return RecordView(
        topic=TOPIC,
        partition=0,
        offset=number,
        timestamp=at,
        key=task["task_id"].encode(),
        value=json.dumps(body).encode(),
    )


def said(view: PaperView, task: str = "arrive") -> Verdict:
    return JUDGES[task](view, labs.facts())


def of(records: list[RecordView], **more: object) -> Log:
    return Log(kept={TOPIC: records}, **more)  # type: ignore[arg-type]


def test_fifty_whole_records_pass(tmp_path: Path) -> None:
    view = of(events(tmp_path))

    assert said(view).state is said(view, "envelope").state is State.PASS


def test_the_untouched_starter_ends_with_an_error_and_says_what_is_missing(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab.json").rename(tmp_path / "lab/lab.json")
    (tmp_path / "kafka.properties").write_text("bootstrap.servers=127.0.0.1:1\nlog_level=0\n")
    done = subprocess.run(
        [sys.executable, HERE / "starter/producer.py"],
        cwd=tmp_path / "lab",
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert (done.returncode, "Nothing is announced yet" in done.stderr) == (1, True)


def test_a_program_that_left_nothing_is_not_said_to_have_lost_anything() -> None:
    verdict = said(of([]))

    assert (verdict.state, verdict.cause) == (State.FAIL, "NOTHING_ARRIVED")
    assert "none of the 50 records" in verdict.sentence


def test_records_that_are_missing_are_named_one_by_one(tmp_path: Path) -> None:
    verdict = said(of(events(tmp_path)[:48]))

    assert verdict.cause == "SOME_MISSING"
    assert [row.key for row in verdict.evidence if row.key] == ["T-n0nce-49", "T-n0nce-50"]


def test_a_program_that_was_gone_before_its_last_answer_cannot_have_known(tmp_path: Path) -> None:
    verdict = said(of(events(tmp_path, at=1002.95)))

    assert verdict.state is State.WAITING
    assert "cannot have known: it ended 50 ms after" in verdict.sentence
    assert "with acks=all, the default, and flush()" in verdict.sentence
    assert said(of(events(tmp_path, at=1002.75))).state is State.PASS


@pytest.mark.parametrize(
    "fault",
    [
        replace(LATE, ms=20),
        replace(LATE, at=1001.0),
        replace(LATE, until=1002.0),
        replace(LATE, kind="broker_stop", until=995.0),
    ],
)
def test_nobody_is_held_to_a_latency_that_did_not_last_the_whole_run(
    tmp_path: Path, fault: FaultView
) -> None:
    assert said(of(events(tmp_path, at=1002.95), breakdowns=(fault,))).state is State.PASS


def test_records_in_another_topic_are_found(tmp_path: Path) -> None:
    verdict = said(Log(kept={TOPIC: [], "events": events(tmp_path)}))

    assert verdict.cause == "OTHER_TOPIC"
    assert "50 records of this run are in events" in verdict.sentence


def test_records_that_name_no_task_are_not_said_to_be_missing(tmp_path: Path) -> None:
    bare = [replace(one, key=None, value=b"{}") for one in events(tmp_path)]
    verdict = said(of(bare))

    assert verdict.cause == "TASKS_NOT_NAMED"
    assert "Others came meanwhile, 50 in all" in verdict.sentence
    assert "The ids of the fifty begin with T-n0nce-." in verdict.sentence


def test_records_of_the_workload_are_nobodys_mistake(tmp_path: Path) -> None:
    theirs = [
        replace(one, key=None, value=b"{}", headers=((NUMBER_HEADER, b"1"),)) for one in events(tmp_path)
    ]

    assert said(of(theirs)).cause == "NOTHING_ARRIVED"


def test_records_of_a_transaction_that_was_not_committed_do_not_count(tmp_path: Path) -> None:
    verdict = said(of([], hidden=events(tmp_path)))

    assert verdict.cause == "NOT_COMMITTED"
    assert said(of(events(tmp_path), hidden=events(tmp_path)[:3])).state is State.PASS


@pytest.mark.parametrize("there", [0, 49])
def test_a_transaction_that_is_still_open_is_waited_for(tmp_path: Path, there: int) -> None:
    """It may be an earlier run's, and what lies behind it counts when Kafka has given it up."""
    whole = events(tmp_path)
    verdict = said(of(whole[:there], hidden=whole[there:], is_open=True))

    assert (verdict.state, verdict.done) == (State.WAITING, there)
    assert f"{50 - there} records of this run lie in or behind a transaction" in verdict.sentence
    assert said(of(whole, hidden=whole[:3], is_open=True)).state is State.PASS


def test_what_the_client_sent_again_while_the_broker_was_away_is_not_the_programs_fault(
    tmp_path: Path,
) -> None:
    whole = events(tmp_path)
    away = FaultView(kind="broker_stop", node=1, ms=0, at=1001.0, until=1002.0)
    verdict = said(of([*whole, replace(whole[7], offset=50)], breakdowns=(away,)))

    assert (verdict.state, "no answer for again" in verdict.sentence) == (State.WAITING, True)
    assert {row.offset for row in verdict.evidence} == {7, 50}


def test_what_the_program_sent_twice_is_and_the_rows_are_those_tasks(tmp_path: Path) -> None:
    whole = events(tmp_path)
    verdict = said(of([*whole, replace(whole[7], offset=50)]))

    assert verdict.cause == "SENT_TOO_MANY"
    assert {row.offset for row in verdict.evidence} == {7, 50}


def test_a_program_that_does_not_end_is_told_so_after_a_minute(tmp_path: Path) -> None:
    run = replace(RUN, ended_at=None, exit_code=None)
    view = of(events(tmp_path), runs=(run,))
    assert said(view).sentence.startswith("producer.py is running")

    view.now = run.started_at + 90
    verdict = said(view)

    assert (verdict.state, verdict.done) == (State.WAITING, 50)
    assert "still running" in verdict.sentence


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"actor": "somebody"}, "ACTOR_WRONG"),
        ({"source": ""}, "FIELD_MISSING"),
        ({"event_id": {"a": 1}}, "FIELD_WRONG"),
        ({"event_id": 7}, "FIELD_WRONG"),
        ({"event_type": "TaskCreated"}, "FIELD_WRONG"),
        ({"data": ["x"]}, "FIELD_WRONG"),
        ({"task_id": ["x"]}, "TASK_ID_WRONG"),
        ({"event_id": str(UUID(int=1, version=4))}, "EVENT_ID_REUSED"),
        ({"occurred_at": "2026-05-22T09:14:03"}, "TIME_WITHOUT_ZONE"),
        ({"occurred_at": "2026-05-22T09:14:03+02:00"}, "TIME_NOT_UTC"),
        ({"occurred_at": 1779441243.5}, "TIME_NOT_UTC"),
        ({"occurred_at": "yesterday"}, "TIME_NOT_UTC"),
    ],
)
def test_the_envelope_is_told_what_is_wrong_with_it(
    tmp_path: Path, changes: dict[str, object], cause: str
) -> None:
    assert said(of(events(tmp_path, changes=changes)), "envelope").cause == cause
