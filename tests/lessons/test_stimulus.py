from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from lessons import stimulus
from lessons.checks import ViewUnavailable, WorkloadRecord
from lessons.labs import Lab, Stimulus
from lessons.stimulus import HOLD_S, RENEW_S, ActiveTask, Done, Round
from tests.lessons import labs
from tests.lessons.paper import PaperView, run_of

WORKLOAD = """
from lessons.checks import WorkloadRecord

def records(*, seed, nonce):
    return [WorkloadRecord(after=n, topic="orders", value=f"{nonce} {seed} {n}") for n in range(5)]
"""


@dataclass
class NotingStage:
    """Writes down what it is asked to do. refuses: like a sandbox that does not answer."""

    did: list[tuple[str, Any]] = field(default_factory=list)
    refuses: bool = False

    def inject(self, stimulus: Stimulus, seconds: float) -> None:
        self._do("inject", (stimulus.fault, seconds))

    def release(self, stimulus: Stimulus) -> None:
        self._do("release", stimulus.fault)

    def send(self, records: list[tuple[int, WorkloadRecord]]) -> None:
        self._do("send", [number for number, _ in records])

    def _do(self, what: str, how: object) -> None:
        if self.refuses:
            raise ViewUnavailable("silence")
        self.did.append((what, how))


class Attempt:
    """An attempt whose clock the test moves."""

    def __init__(self, *stimuli: dict[str, Any], workload: str = "") -> None:
        tasks = [{"id": "first", "title": "One", "check": "first", "stimulus": list(stimuli)}]
        self.lab: Lab = labs.lab(points=1, tasks=tasks)
        self.code = labs.code(self.lab, workload=workload)
        self.done, self.stage, self.view = Done(), NotingStage(), PaperView(now=1000.0)
        self.open = True

    def advance(self, now: float) -> float | None:
        self.view.now = now
        active = [ActiveTask(task=self.lab.task("first"), activated_at=1000.0)] if self.open else []
        return stimulus.advance(
            Round(
                code=self.code,
                active=active,
                done=self.done,
                view=self.view,
                stage=self.stage,
                seed=7,
                nonce="n",
            )
        )


def test_a_fault_is_held_while_its_task_is_open_and_released_after() -> None:
    attempt = Attempt({"fault": "latency", "ms": 200})

    attempt.advance(1000.0)
    attempt.advance(1001.0)
    attempt.open = False
    attempt.advance(1002.0)
    attempt.advance(1003.0)

    assert attempt.stage.did == [("inject", ("latency", HOLD_S)), ("release", "latency")]
    assert [(fact.at, fact.until) for fact in stimulus.facts(attempt.done)] == [(1000.0, 1002.0)]


def test_a_held_fault_is_renewed_before_it_would_end_by_itself() -> None:
    attempt = Attempt({"fault": "latency", "ms": 200})

    for now in (1000.0, 1000.0 + RENEW_S - 1, 1000.0 + RENEW_S, 1000.0 + RENEW_S + 1):
        attempt.advance(now)

    assert len(attempt.stage.did) == 2
    assert RENEW_S < HOLD_S


def test_a_fault_waits_for_each_run_of_its_program() -> None:
    attempt = Attempt({"fault": "broker_stop", "seconds": 5, "when": {"program": "race.py", "after": 3}})

    assert attempt.advance(1001.0) is None
    attempt.view.runs = (run_of("lab/race.py", started_at=1002.0),)
    assert attempt.advance(1003.0) == pytest.approx(2.0)
    attempt.advance(1005.5)
    attempt.advance(1006.0)
    attempt.view.runs += (run_of("lab/race.py", started_at=1010.0, program_id="p2"),)
    attempt.advance(1013.5)

    assert attempt.stage.did == [("inject", ("broker_stop", 5.0))] * 2


def test_a_run_from_before_the_task_starts_nothing() -> None:
    attempt = Attempt({"fault": "broker_stop", "seconds": 5, "when": {"program": "race.py"}})
    attempt.view.runs = (run_of("lab/race.py", started_at=900.0),)

    attempt.advance(1001.0)

    assert attempt.stage.did == []


def test_a_fault_can_wait_for_records() -> None:
    attempt = Attempt({"fault": "latency", "ms": 9, "seconds": 5, "when": {"topic": "orders", "records": 2}})

    attempt.view.log = {"orders": [[b"1"]]}
    attempt.advance(1001.0)
    assert attempt.stage.did == []
    attempt.view.log = {"orders": [[b"1"], [b"2"]]}
    attempt.advance(1002.0)
    assert attempt.stage.did == [("inject", ("latency", 5.0))]


def test_the_workload_sends_each_record_when_it_is_due_and_once() -> None:
    attempt = Attempt({"workload": True}, workload=WORKLOAD)

    assert attempt.advance(1001.5) == pytest.approx(0.5)
    attempt.advance(1001.6)
    attempt.advance(1099.0)
    attempt.advance(1100.0)

    assert attempt.stage.did == [("send", [0, 1]), ("send", [2, 3, 4])]
    assert stimulus.facts(attempt.done)[0].sent == 5


def test_what_could_not_be_done_is_done_the_next_time() -> None:
    attempt = Attempt({"workload": True}, workload=WORKLOAD)
    attempt.stage.refuses = True
    with pytest.raises(ViewUnavailable):
        attempt.advance(1000.0)

    attempt.stage.refuses = False
    attempt.advance(1000.5)

    assert attempt.stage.did == [("send", [0])]


def test_a_workload_is_the_same_for_the_same_seed_and_nonce() -> None:
    code = Attempt({"workload": True}, workload=WORKLOAD).code

    assert code.workload_records(seed=3, nonce="x") == code.workload_records(seed=3, nonce="x")
    assert code.workload_records(seed=3, nonce="x") != code.workload_records(seed=4, nonce="x")


def test_a_held_fault_is_not_put_in_again_while_a_program_of_another_lab_is_at_work() -> None:
    attempt = Attempt({"fault": "latency", "ms": 200})
    attempt.view.runs = (run_of("older/race.py", started_at=900.0),)
    attempt.advance(1000.0)
    own = replace(run_of("lab/producer.py", started_at=1001.0), ended_at=1002.0)
    other = run_of("other/race.py", started_at=1030.0)

    attempt.view.runs += (own, other)
    attempt.advance(1000.0 + 2 * RENEW_S)
    attempt.advance(1000.0 + 3 * RENEW_S)
    assert attempt.stage.did == [("inject", ("latency", HOLD_S))]

    attempt.view.runs += (run_of("lab/producer.py", started_at=1090.0, program_id="again"),)
    attempt.advance(1090.0)
    assert attempt.stage.did == [("inject", ("latency", HOLD_S))] * 2
