"""How a task is drawn, and which one a student is at."""

from typing import Any

import pytest

from classroom.marks import TaskFacts, mark_of, still_since, task_at

NOW = 1_800_000_000.0


def facts(task_id: str = "run", **changes: Any) -> TaskFacts:
    given: dict[str, Any] = {
        "lab_id": "1.1", "task_id": task_id, "state": "waiting", "is_open": True, "begun_at": NOW - 60,
        "judged_at": None, "passed_at": None, "points": 0, "failures": {}, "cause": "",
    }  # fmt: skip
    return TaskFacts(**given | changes)


def mark(task: TaskFacts | None, **more: Any) -> Any:
    return mark_of(task, **{"active_at": NOW, "now": NOW, "still_since": NOW - 60, **more})


FAILED: dict[str, Any] = {
    "state": "fail",
    "cause": "KEY_MISSING",
    "failures": {"KEY_MISSING": [2, NOW], "OTHER": [9, NOW]},
}


@pytest.mark.parametrize(
    ("task", "kind", "word"),
    [
        (None, "none", "not begun"),
        (facts(begun_at=None), "none", "not begun"),
        (facts(), "working", "working"),
        (facts(is_open=False), "paused", "paused"),
        (facts(state="not_ready"), "paused", "paused"),
        (facts(state="timed_out"), "late", "out of time"),
        (facts(state="broken"), "ours", "ours"),
        (facts(**FAILED), "failed", "failed 2 times, KEY_MISSING"),
        (facts(**FAILED, passed_at=NOW), "passed", "passed"),
        (facts(state="waiting", is_open=False, passed_at=NOW), "passed", "passed"),
    ],
)
def test_a_task_is_drawn_as_what_it_is(task: TaskFacts | None, kind: str, word: str) -> None:
    assert (mark(task).kind, mark(task).word) == (kind, word)


def test_three_failures_for_one_cause_fill_the_cell() -> None:
    task = facts(**FAILED | {"failures": {"KEY_MISSING": [3, NOW]}})

    assert mark(task).css == "f s"
    assert mark(task).word == "stuck, failed 3 times, KEY_MISSING"


def test_nobody_is_stuck_in_an_attempt_whose_sandbox_is_gone() -> None:
    task = facts(**FAILED | {"failures": {"KEY_MISSING": [30, NOW]}}, is_open=False)

    assert mark(task).stuck is None


def test_of_tasks_that_only_wait_just_the_one_at_hand_is_work() -> None:
    assert mark(facts(), still_since=None).kind == "none"
    assert mark(facts(**FAILED), still_since=None).kind == "failed"


def test_a_student_is_at_what_fails_in_the_lab_that_moved_last() -> None:
    first, second = facts("first"), facts("second", **FAILED, judged_at=NOW - 5)
    elsewhere = facts("other", lab_id="2.1", judged_at=NOW - 30)

    assert task_at([elsewhere, first, second]) is second
    assert task_at([elsewhere, first]) is elsewhere
    assert task_at([facts("done", passed_at=NOW), first]) is first
    assert task_at([facts("done", passed_at=NOW)]) is None


def test_a_task_that_is_passed_counts_as_movement_in_its_lab() -> None:
    tasks = [facts("done", begun_at=NOW - 900, passed_at=NOW - 3), facts("next", begun_at=NOW - 900)]

    assert still_since(tasks, "1.1") == NOW - 3
