import logging
from dataclasses import replace

import pytest

from lessons.checks import ProgramView, State, Verdict
from lessons.grading import TOO_MANY, judge_lab, ladder_of, ladder_open, open_tasks
from lessons.judges import load_code
from lessons.labs import Lab
from lessons.stimulus import ActiveTask
from sandboxes.backends.base import PROGRAM_REASONS
from tests.lessons import labs
from tests.lessons.paper import FloodedView, PaperView, SilentView, run_of

GOOD = [[b"n0nce 1", b"n0nce 2", b"n0nce 3"]]


def judge(
    view: PaperView, spec: Lab | None = None, task: str = "first", since: float = 990.0, **facts: object
) -> Verdict:
    spec = spec or labs.lab()
    active = [ActiveTask(task=spec.task(task), activated_at=since)]
    return judge_lab(labs.code(spec), labs.facts(**facts), view, active)[task]


def only(check: str, **fields: object) -> Lab:
    return labs.lab(points=1, tasks=[{"id": "first", "title": "One", "check": check, **fields}], hints={})


def test_records_of_this_attempt_pass() -> None:
    assert judge(PaperView(log={"orders": GOOD})).state is State.PASS


def test_records_with_another_nonce_do_not_count() -> None:
    verdict = judge(PaperView(log={"orders": GOOD}), nonce="another")

    assert (verdict.state, verdict.done, verdict.of) == (State.WAITING, 0, 3)


def test_records_from_before_the_attempt_do_not_count() -> None:
    assert judge(PaperView(log={"orders": GOOD}), horizon={"orders": (2,)}).done == 1


def test_a_failure_names_its_cause_and_shows_where() -> None:
    verdict = judge(PaperView(log={"orders": [[b"n0nce bad"]]}))

    assert (verdict.state, verdict.cause, verdict.look) == (State.FAIL, "BAD_RECORD", "record")
    assert verdict.evidence[0].offset == 0


def test_a_silent_sandbox_is_never_a_failure() -> None:
    assert judge(SilentView()).state is State.NOT_READY


def ended(reason: str, *, started_at: float = 1000.0) -> ProgramView:
    run = run_of("lab/main.py", started_at=started_at)
    return replace(run, ended_at=started_at + 1, exit_code=1, reason=reason)


@pytest.mark.parametrize("reason", ["stopped", "killed"])
def test_a_program_that_its_owner_stopped_is_not_said_to_have_ended_badly(reason: str) -> None:
    view = PaperView(runs=(ended(""), ended(reason, started_at=1001.0)))

    assert judge(view, only("blames")).sentence == "You stopped main.py. Run it again when you are ready."


@pytest.mark.parametrize("reason", PROGRAM_REASONS)
def test_a_program_that_was_ended_is_told_for_what_reason_and_what_to_do(reason: str) -> None:
    sentence = judge(PaperView(runs=(ended(reason),)), only("blames")).sentence

    assert "did not end well" not in sentence
    assert "main.py" in sentence
    assert any(step in sentence for step in ("Run it again", "run it again", "Look for"))


@pytest.mark.parametrize("reason", ["sandbox_ended", "host_restart"])
def test_nobody_is_blamed_for_a_program_that_ended_with_its_sandbox(reason: str) -> None:
    sentence = judge(PaperView(runs=(ended(reason),)), only("blames")).sentence

    assert "the program is not to blame" in sentence


@pytest.mark.parametrize("runs", [(), (ended(""),), (ended("stopped"), ended("", started_at=1001.0))])
def test_a_program_that_failed_is(runs: tuple[ProgramView, ...]) -> None:
    assert "did not end well" in judge(PaperView(runs=runs), only("blames")).sentence


def test_a_sandbox_that_falls_silent_meanwhile_keeps_what_its_judge_said() -> None:
    assert "did not end well" in judge(SilentView(), only("blames")).sentence


@pytest.mark.logs("judge.broken")
def test_a_judge_that_raises_is_ours_and_has_a_reference(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        verdict = judge(PaperView(), only("breaks"))

    assert verdict.state is State.BROKEN
    assert verdict.cause in verdict.sentence
    assert caplog.records[0].reference == verdict.cause  # type: ignore[attr-defined]


@pytest.mark.logs("judge.broken")
def test_a_judge_that_says_nothing_is_ours() -> None:
    assert judge(PaperView(), only("says_nothing")).state is State.BROKEN


def test_a_flood_of_records_fails_with_hints_of_its_own() -> None:
    verdict = judge(FloodedView())

    assert (verdict.state, verdict.cause) == (State.FAIL, TOO_MANY)
    assert len(ladder_of(labs.lab(), TOO_MANY)) == 3


def test_waiting_longer_than_a_task_allows_is_timed_out() -> None:
    spec = only("first", within=5)

    assert judge(PaperView(now=994.0), spec).state is State.WAITING
    assert judge(PaperView(now=996.0), spec).state is State.TIMED_OUT


def test_waiting_without_words_says_what_the_task_says() -> None:
    assert judge(PaperView()).sentence == "Watching your sandbox."


def test_a_thousand_judgements_of_one_look_are_one_verdict() -> None:
    view = PaperView(log={"orders": [[b"n0nce bad", b"n0nce 2"]]})
    code, active = labs.code(), [ActiveTask(task=labs.lab().task("first"), activated_at=990.0)]

    verdicts = {judge_lab(code, labs.facts(), view, active)["first"] for _ in range(1000)}

    assert len(verdicts) == 1


def test_a_task_opens_when_all_it_requires_has_passed() -> None:
    assert [task.id for task in open_tasks(labs.lab(), set())] == ["first"]
    assert [task.id for task in open_tasks(labs.lab(), {"first"})] == ["second"]
    assert open_tasks(labs.lab(), {"first", "second"}) == []


@pytest.mark.parametrize(
    ("failures", "after_s", "steps"),
    [
        (0, 0, 0),
        (1, 0, 1),
        (2, 10, 2),
        (3, 20, 3),
        (9, 0, 3),
        (1, 359, 1),
        (1, 360, 2),
        (1, 720, 3),
        (2, 3600, 3),
    ],
)
def test_a_hint_opens_with_each_failed_attempt_or_with_time(
    failures: int, after_s: float, steps: int
) -> None:
    assert ladder_open(failures, 1000.0, 1000.0 + after_s)[0] == steps


def test_the_ladder_says_how_long_until_the_next_step_opens_by_itself() -> None:
    assert ladder_open(1, 1000.0, 1060.0) == (1, 300.0)
    assert ladder_open(3, 1000.0, 1060.0) == (3, 0.0)


def test_a_judge_knows_what_was_there_while_its_task_was_locked() -> None:
    asks = """
from lessons.checks import Waiting


def first(view, attempt):
    return Waiting("none" if not attempt.locked_horizon else str(attempt.locked_horizon["orders"]))


second = first
"""
    spec = labs.lab(hints={})
    code = load_code(spec, checks=asks, workload="", name="asks")
    active = [
        ActiveTask(task=spec.task("first"), activated_at=1.0),
        ActiveTask(task=spec.task("second"), activated_at=1.0, locked={"orders": (3, 4)}),
    ]

    said = judge_lab(code, labs.facts(), PaperView(), active)

    assert (said["first"].sentence, said["second"].sentence) == ("none", "(3, 4)")
