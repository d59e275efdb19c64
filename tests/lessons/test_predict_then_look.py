"""What lab 3.1 says of sheets that are broken, come late, or are true of more than one run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lessons.checks import (
    Horizon,
    Isolation,
    Judge,
    PartitionOffsets,
    ProgramView,
    RecordView,
    State,
    Verdict,
)
from lessons.judges import load_code
from lessons.labs import Lab
from lessons.sources import read_yaml
from tests.lessons import labs
from tests.lessons.paper import PaperView, run_of

HERE = Path(__file__).parents[2] / "lessons/content/03-mental-model/labs/predict-then-look"
SPEC = Lab.model_validate(read_yaml(HERE / "lab.yaml").data)
JUDGES = load_code(SPEC, checks=(HERE / "checks.py").read_text(), workload="", name="3.1").judges
RUN = replace(run_of("predict-then-look/send.py", started_at=1000.0), ended_at=1002.0, exit_code=0)
PREDICTED = {"same_key_same_partition": "yes", "equal_share": "no", "partitions_used": 3}


@dataclass(slots=True)
class Runs(PaperView):
    """A log with one time stamp for each record: shares of a first run at 995, of the last one at 1001."""

    before: tuple[int, int, int] = (0, 0, 0)
    last: tuple[int, int, int] = (30, 20, 10)
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        shares = [a + b for a, b in zip(self.before, self.last, strict=True)]
        self.log, self.runs = {"mm-tasks": [[b"n0nce"] * share for share in shares]}, (RUN,)

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        return tuple(
            replace(record, timestamp=995.0 if record.offset < self.before[record.partition] else 1001.0)
            for record in PaperView.records(self, name, since=since)
        )


def said(task: str, view: PaperView, *, locked: Horizon | None = None) -> Verdict:
    judge: Judge = JUDGES[task]
    return judge(view, labs.facts(task_activated_at=990.0, locked_horizon=locked or {}))


def sheet(*counts: int, equal: str) -> dict[str, str]:
    written = {f"P{n}": count for n, count in enumerate(counts)} | {"equal_share": equal}
    return {"predict-then-look/observed.json": json.dumps(written)}


@pytest.mark.parametrize(("task", "name"), [("predict", "prediction.json"), ("observed", "observed.json")])
def test_a_sheet_that_is_not_json_is_told_where(task: str, name: str) -> None:
    verdict = said(task, Runs(files={f"predict-then-look/{name}": '{"a": 1,\n}'}))

    assert verdict.state is State.WAITING
    assert f"{name} is not valid JSON" in verdict.sentence
    assert "line " in verdict.sentence
    assert "column " in verdict.sentence


def test_later_tasks_are_closed_until_the_prediction_is_written() -> None:
    assert SPEC.task("keys").requires == ("predict",)
    assert SPEC.task("order").requires == SPEC.task("observed").requires == ("keys",)


def test_a_prediction_that_was_not_there_when_the_records_were_does_not_count() -> None:
    verdict = said("keys", Runs(), locked={"mm-tasks": (0, 1, 0)})

    assert verdict.state is State.WAITING
    assert "older than your prediction" in verdict.sentence


@pytest.mark.parametrize("locked", [{}, {"mm-tasks": (0, 0, 0)}, {"mm-tasks": ()}, {"other": (9, 9, 9)}])
def test_a_prediction_that_is_first_seen_together_with_the_records_counts(locked: Horizon) -> None:
    assert "older than your prediction" not in said("keys", Runs(), locked=locked).sentence


@dataclass(slots=True)
class Keyed(Runs):
    """As many records as are expected, under so many keys."""

    keys: int = 1

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        found = Runs.records(self, name, since=since)
        value = json.dumps({"task_id": "n0nce"}).encode()
        return tuple(
            replace(record, key=str(number % self.keys).encode(), value=value)
            for number, record in enumerate(found)
        )


@pytest.mark.parametrize(
    ("keys", "begins"), [(1, "One key for 12 tasks: "), (3, "3 different keys for 12 tasks: ")]
)
def test_one_key_for_all_tasks_is_told_in_the_singular(keys: int, begins: str) -> None:
    verdict = said("keys", Keyed(keys=keys))

    assert verdict.cause == "ONE_KEY"
    assert verdict.sentence.startswith(begins)


def test_the_sheet_may_be_right_for_the_last_run_or_for_all_runs() -> None:
    view = Runs(before=(0, 10, 20))
    for files, row in (
        (sheet(30, 20, 10, equal="no"), "20 of the last run in the log, 20 on your sheet"),
        (sheet(30, 30, 30, equal="yes"), "30 of all runs in the log, 30 on your sheet"),
    ):
        view.files = files
        verdict = said("observed", view)
        assert verdict.state is State.PASS
        assert verdict.evidence[1].note == row


def test_a_sheet_that_mixes_both_is_wrong_and_the_rows_say_which_run_they_count() -> None:
    verdict = said("observed", Runs(before=(0, 10, 20), files=sheet(30, 30, 30, equal="no")))

    assert verdict.cause == "SHEET_DIFFERS"
    assert verdict.evidence[1].note == "20 of the last run in the log, 30 on your sheet"


def test_counts_may_be_written_as_text() -> None:
    text = {"P0": "30", "P1": "20", "P2": "10", "equal_share": "No"}
    view = Runs(files={"predict-then-look/observed.json": json.dumps(text)})

    assert said("observed", view).state is State.PASS


@pytest.mark.parametrize("wrong", [True, -1, 2.5, "many", None, [20]])
def test_what_is_no_count_is_asked_for_again(wrong: object) -> None:
    text = {"P0": wrong, "P1": 20, "P2": 10, "equal_share": "no"}
    verdict = said("observed", Runs(files={"predict-then-look/observed.json": json.dumps(text)}))

    assert (verdict.state, "as a number" in verdict.sentence) == (State.WAITING, True)


@pytest.mark.parametrize(
    ("run", "sentence"),
    [
        (replace(RUN, ended_at=None, exit_code=None, started_at=999.0), "send.py is running"),
        (replace(RUN, ended_at=None, exit_code=None, started_at=900.0), "send.py is still running"),
        (replace(RUN, exit_code=1), "send.py did not end well"),
        (replace(RUN, started_at=1001.5), "left no record of this attempt"),
    ],
)
@pytest.mark.parametrize("task", ["keys", "order", "observed"])
def test_a_run_that_left_nothing_to_judge_is_told_what_became_of_it(
    task: str, run: ProgramView, sentence: str
) -> None:
    view = Runs()
    view.runs = (run,)
    verdict = JUDGES[task](view, labs.facts(activated_at=800.0))

    assert (verdict.state, sentence in verdict.sentence) == (State.WAITING, True)


@dataclass(slots=True)
class InTransaction(Runs):
    """Of the last run only so many of each partition are given to those who wait for commits."""

    given: int = 0
    is_open: bool = True

    def offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        parts = PaperView.offsets(self, name)
        return tuple(replace(part, stable=self.given) for part in parts) if self.is_open else parts

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        found = Runs.records(self, name, since=since)
        return tuple(r for r in found if isolation == "read_uncommitted" or r.offset < self.given)


@pytest.mark.parametrize("task", ["keys", "order", "observed"])
@pytest.mark.parametrize(("given", "hidden"), [(0, 60), (10, 30)])
def test_a_transaction_that_is_still_open_is_waited_for(task: str, given: int, hidden: int) -> None:
    """It may be an earlier run's, and what lies behind it counts when Kafka has given it up."""
    verdict = said(task, InTransaction(given=given))

    assert verdict.state is State.WAITING
    assert f"{hidden} records of the last run lie in or behind a transaction" in verdict.sentence


def test_a_transaction_that_was_given_up_is_to_be_committed_next_time() -> None:
    verdict = said("keys", InTransaction(is_open=False))

    assert (verdict.state, "Commit it, and run" in verdict.sentence) == (State.WAITING, True)


def test_other_partitions_are_not_called_split_keys() -> None:
    class Six(Runs):
        def records(self, name: str, **_: object) -> tuple[RecordView, ...]:
            return keyed()

    view = Six()
    view.log = {"mm-tasks": [[b""] * 10] * 6}
    verdict = said("keys", view)

    assert (verdict.cause, "6 partitions now" in verdict.sentence) == ("PARTITIONS_CHANGED", True)


def keyed() -> tuple[RecordView, ...]:
    """Sixty right records."""
    return tuple(
        RecordView(
            topic="mm-tasks",
            partition=number % 12 % 3,
            offset=number,
            timestamp=1001.0,
            key=f"T-n0nce-{number % 12}".encode(),
            value=json.dumps({"task_id": f"T-n0nce-{number % 12}", "step": number // 12 + 1}).encode(),
        )
        for number in range(60)
    )


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (json.dumps(PREDICTED), ""),
        (json.dumps(PREDICTED | {"partitions_used": "many"}), "partitions_used is to be one of 1, 2, 3"),
        ('{"equal_share": "no",}', "is not valid JSON"),
        ("[]", "same_key_same_partition is to be one of yes, no"),
    ],
)
def test_the_starter_says_in_one_sentence_what_the_prediction_lacks(
    tmp_path: Path, text: str, sentence: str
) -> None:
    (tmp_path / "prediction.json").write_text(text)
    done = subprocess.run(
        [sys.executable, "-c", "import prediction; print(prediction.missing())"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE / "starter"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert sentence in done.stdout
    assert bool(done.stdout.strip()) is bool(sentence)
