from dataclasses import replace
from datetime import UTC, datetime

from lessons.panels import TaskRow, TaskStanding, task_rows
from tests.lessons import labs

NOW = 10_000.0


def panel(begun: bool = True, **standings: TaskStanding) -> tuple[TaskRow, ...]:
    return task_rows(labs.lab(), {}, standings, begun=begun, now=NOW)


def failing(times: int, opened: int = 0, first: float = NOW) -> TaskStanding:
    return TaskStanding(
        state="fail",
        verdict={"sentence": "One is bad.", "cause": "BAD_RECORD", "look": "record", "seen": 5, "evidence": [
            {"topic": "orders", "partition": 0, "offset": n, "key": "acme", "at": 0.5} for n in range(5)
        ]},
        judged_at=NOW, activated_at=1.0, last_cause="BAD_RECORD",
        failures={"BAD_RECORD": [times, first]}, hints={"BAD_RECORD": opened},
    )  # fmt: skip


def test_before_the_lab_begins_its_tasks_are_listed_and_nothing_is_watched() -> None:
    assert [(row.css, row.word) for row in panel(begun=False)] == [("later", ""), ("later", "")]


def test_a_task_behind_another_says_which() -> None:
    first, second = panel(first=TaskStanding(activated_at=1.0))

    assert (first.css, first.word, first.open) == ("wait", "watching", True)
    assert (second.css, second.word) == ("later", "after task 1")


def test_progress_of_a_counting_task_stands_at_its_right() -> None:
    row = panel(first=TaskStanding(activated_at=1.0, verdict={"done": 2, "of": 3}))[0]

    assert row.word == "watching, 2 of 3"


def test_a_failure_shows_three_rows_and_keeps_the_rest_folded() -> None:
    row = panel(first=failing(1))[0]

    assert (len(row.evidence), len(row.more), row.seen) == (3, 2, 5)
    assert row.evidence[0]["see"] == "orders:0:0"
    assert row.evidence[0]["clock"] == "00:00:00.500"
    assert row.evidence[0]["at"] == datetime(1970, 1, 1, 0, 0, 0, 500_000, UTC)
    assert (row.css, row.cause, row.look) == ("fail", "BAD_RECORD", "record")


def test_hints_are_open_ready_or_locked_with_the_time_left() -> None:
    row = panel(first=failing(2, opened=1, first=NOW - 60))[0]

    assert [(hint.state, hint.minutes) for hint in row.hints] == [("open", 0), ("ready", 0), ("locked", 11)]
    assert row.hints[0].text == "one"
    assert row.hints[1].text == ""


def test_a_hint_is_not_ready_before_the_one_above_it_is_open() -> None:
    assert [hint.state for hint in panel(first=failing(3))[0].hints] == ["ready", "locked", "locked"]


def test_a_task_that_passed_says_when() -> None:
    row = panel(first=TaskStanding(state="pass", activated_at=1.0, judged_at=51_960.0, passed_at=51_960.0))[0]

    assert (row.css, row.word, row.open, row.can_check) == ("done", "done", False, False)
    assert row.at == datetime(1970, 1, 1, 14, 26, tzinfo=UTC)


def test_a_pass_of_an_earlier_attempt_stays_visible_when_the_lab_is_not_under_way() -> None:
    row = panel(begun=False, first=TaskStanding(passed_at=51_960.0))[0]

    assert (row.css, row.word) == ("done", "done")
    assert row.at == datetime(1970, 1, 1, 14, 26, tzinfo=UTC)


def test_a_check_of_ours_that_failed_is_marked_ours_and_blames_nobody() -> None:
    verdict = {"sentence": "This check failed on our side.", "cause": "B-1234"}
    row = panel(first=TaskStanding(state="broken", activated_at=1.0, verdict=verdict))[0]

    assert (row.css, row.mark, row.word, row.hints) == ("ours", "ours", "ours", ())


def test_a_task_that_passed_keeps_what_was_seen_and_what_it_brought() -> None:
    seen = {"sentence": "All three are there.", "seen": 1, "evidence": [{"topic": "orders", "offset": 2}]}
    row = panel(first=TaskStanding(state="pass", verdict=seen, judged_at=NOW, passed_at=NOW, points=1))[0]

    assert (row.sentence, row.points, row.seen) == ("All three are there.", 1, 1)
    assert [one["offset"] for one in row.evidence] == [2]


def test_hints_of_a_cause_that_is_over_are_told_apart_from_those_of_this_one() -> None:
    failed = failing(1)
    again = replace(failed, state="waiting", verdict={"sentence": "It did not end well."})

    assert [panel(first=one)[0].earlier for one in (failed, again)] == [False, True]
    assert panel(first=again)[0].hint_cause == "BAD_RECORD"
