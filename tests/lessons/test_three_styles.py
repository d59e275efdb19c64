"""What lab 5.2 says of runs that are half done, hurried, or not of this attempt."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from lessons.checks import FaultView, Horizon, Isolation, ProgramView, RecordView, State, Verdict
from lessons.judges import load_code
from lessons.labs import Lab
from lessons.sources import read_yaml
from tests.lessons import labs
from tests.lessons.paper import PaperView, run_of

HERE = Path(__file__).parents[2] / "lessons/content/05-first-producer/labs/three-styles"
SPEC = Lab.model_validate(read_yaml(HERE / "lab.yaml").data)
JUDGES = load_code(SPEC, checks=(HERE / "checks.py").read_text(), workload="", name="5.2").judges
FOLDER, NAME = "three-styles", "n0nce-1"
SIZES = {"race-fire": 20_000, "race-sync": 1_000, "race-receipts": 20_000}
RACE = replace(run_of(f"{FOLDER}/race.py", started_at=1000.0), ended_at=1020.0, exit_code=0)
OUTAGE = replace(run_of(f"{FOLDER}/outage.py", started_at=1000.0), ended_at=1015.0, exit_code=0)


@dataclass(slots=True)
class Race(PaperView):
    """The records of one run by topic, with the time at which each was appended."""

    times: dict[str, list[float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.log = {name: [[b""] * len(times)] for name, times in self.times.items()}
        self.runs = self.runs or (RACE,)

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        return tuple(
            RecordView(
                topic=name,
                partition=0,
                offset=number,
                timestamp=at,
                key=None,
                value=b"",
                headers=(("run", NAME.encode()), ("number", str(number).encode())),
            )
            for number, at in enumerate(self.times.get(name, ()))
        )


def steadily(count: int, *, every: float, since: float = 1001.0) -> list[float]:
    return [since + round(number * every, 3) for number in range(count)]


def results(**changes: dict[str, int]) -> str:
    told = {
        "run": NAME,
        "fire": {"sent": 20_000, "unanswered": 0},
        "sync": {"delivered": 1_000},
        "receipts": {"delivered": 20_000},
    }
    return json.dumps(told | changes)


def race(sync: Sequence[float] | None = None, *, text: str | None = None, **times: list[float]) -> Race:
    all_times = {
        "race-fire": steadily(20_000, every=0.00001),
        "race-sync": list(sync) if sync is not None else steadily(1_000, every=0.001),
        "race-receipts": steadily(20_000, every=0.00001),
    } | {name.replace("_", "-"): found for name, found in times.items()}
    return Race(times=all_times, files={f"{FOLDER}/results.json": results() if text is None else text})


def said(view: PaperView, task: str) -> Verdict:
    return JUDGES[task](view, labs.facts())


def test_whole_styles_pass() -> None:
    assert said(race(), "race").state is said(race(), "ratio").state is State.PASS


def test_styles_that_are_not_filled_in_yet_are_no_failure() -> None:
    text = results(sync={"delivered": 0}, receipts={"delivered": 0})
    verdict = said(race([], text=text, race_receipts=[]), "race")

    assert (verdict.state, verdict.done, verdict.of) == (State.WAITING, 1, 3)
    assert "race-sync and race-receipts" in verdict.sentence
    assert "one_by_one and with_receipts" in verdict.sentence


def test_a_style_that_says_it_sent_and_left_nothing_is_one() -> None:
    assert said(race(race_fire=[]), "race").cause == "NOT_ALL_STORED"


def test_what_a_program_is_said_to_report_is_what_it_reports() -> None:
    text = results(receipts={"delivered": 18_400})
    view = race(text=text, race_receipts=steadily(19_918, every=0.00001))
    assert "your program reports 18,400" in said(view, "race").sentence

    unasked = results(receipts={"delivered": 0})
    assert said(race(text=unasked), "race").state is State.PASS


def in_groups(size: int, *, every: float) -> list[float]:
    return [1001.0 + round(number // size * every, 3) for number in range(1_000)]


@pytest.mark.parametrize(
    ("sync", "how"),
    [
        (steadily(1_000, every=0.00001), "reached race-sync within 10 milliseconds"),
        (in_groups(10, every=0.004), "10 records reached race-sync within one millisecond"),
        (
            [1001.0 + n * 0.001 - (0.0015 if n % 5 == 4 else 0) for n in range(1_000)],
            "Record 4 was appended before record 3, and so were 199 others",
        ),
    ],
)
def test_one_by_one_that_does_not_wait_for_each_is_shown_how_the_log_knows(
    sync: list[float], how: str
) -> None:
    verdict = said(race(sync), "ratio")

    assert verdict.cause == "SYNC_DID_NOT_WAIT"
    assert how in verdict.sentence


@pytest.mark.parametrize("size", [1, 4, 8])
def test_a_quick_machine_that_waits_is_believed(size: int) -> None:
    assert said(race(in_groups(size, every=0.001)), "ratio").cause != "SYNC_DID_NOT_WAIT"


def test_a_clock_that_was_set_back_once_accuses_nobody() -> None:
    times = steadily(1_000, every=0.001)
    sync = [*times[:500], *(at - 0.3 for at in times[500:])]

    assert said(race(sync), "ratio").state is State.PASS


@pytest.mark.parametrize("task", ["race", "ratio", "outcomes"])
@pytest.mark.parametrize(
    ("text", "what"),
    [("", "there is no results.json"), (results(run="other-1"), "is of another run")],  # type: ignore[arg-type]
)
def test_results_that_are_missing_or_not_of_this_attempt_are_told_apart(
    task: str, text: str, what: str
) -> None:
    verdict = said(race(text=text), task)

    assert (verdict.state, what in verdict.sentence) == (State.WAITING, True)


def test_results_of_an_earlier_run_say_nothing_of_the_last_one() -> None:
    view = race()
    view.runs = (RACE, replace(RACE, started_at=1030.0, ended_at=1031.0))

    assert "results.json is of another run" in said(view, "race").sentence


def outage(
    run: ProgramView = OUTAGE, *, at: float = 1001.0, count: int = 3, stop: FaultView | None = None
) -> Race:
    text = json.dumps({"run": NAME, "outcomes": []})
    return Race(
        times={"race-outage": [at] * count},
        runs=(run,),
        breakdowns=() if stop is None else (stop,),
        files={f"{FOLDER}/outage.json": text},
    )


STOP = FaultView(kind="broker_stop", node=1, ms=0, at=1003.0, until=1009.0)


@pytest.mark.parametrize(
    ("view", "what"),
    [
        (outage(count=0), "has sent nothing to race-outage"),
        (outage(at=995.0), "outage.json is of another run"),
        (outage(replace(OUTAGE, ended_at=1002.0)), "outage.py ended after 2 s, before your broker"),
        (
            outage(replace(OUTAGE, ended_at=1008.0), stop=STOP),
            "outage.py ended after 8 s, before your broker",
        ),
        (outage(replace(OUTAGE, ended_at=1002.0)), "Leave paced() as it was given, and run it again."),
    ],
)
def test_an_outage_that_cannot_be_judged_says_why(view: Race, what: str) -> None:
    verdict = said(view, "outage")

    assert verdict.state is State.WAITING
    assert what in verdict.sentence


def test_records_without_a_number_break_no_judge() -> None:
    class Unnumbered(Race):
        def records(self, name: str, **_: object) -> tuple[RecordView, ...]:
            headers = (("run", NAME.encode()), ("number", b"n1"))
            return tuple(
                replace(r, headers=headers) for r in Race.records(self, name, isolation="read_committed")
            )

    view = Unnumbered(
        times={"race-fire": [1001.0]}, runs=(RACE,), files={f"{FOLDER}/results.json": results()}
    )

    assert "no numbered record of this run" in said(view, "race").sentence
