"""When a student counts as stuck: a table, and never for what is ours."""

import pytest

from classroom.stuck import ACTIVE_MIN, QUIET_MIN, SAME_CAUSE, OpenTask, Reason, reason

NOW = 1_800_000_000.0


def ago(minutes: float) -> float:
    return NOW - minutes * 60


def failing(times: int, **more: object) -> OpenTask:
    return OpenTask(state="fail", cause="KEY_MISSING", times=times, **more)  # type: ignore[arg-type]


BY_CAUSE = Reason(kind="cause", cause="KEY_MISSING", times=3)
QUIET = Reason(kind="quiet")


@pytest.mark.parametrize(
    ("task", "active_at", "expected"),
    [
        (failing(SAME_CAUSE - 1), NOW, None),
        (failing(SAME_CAUSE), NOW, BY_CAUSE),
        (failing(SAME_CAUSE), None, BY_CAUSE),
        (failing(SAME_CAUSE), ago(600), BY_CAUSE),
        (failing(1, still_since=ago(QUIET_MIN)), NOW, QUIET),
        (failing(SAME_CAUSE, still_since=ago(60)), NOW, BY_CAUSE),
        (OpenTask(state="waiting", still_since=ago(QUIET_MIN)), NOW, QUIET),
        (OpenTask(state="waiting", still_since=ago(QUIET_MIN - 0.1)), NOW, None),
        (OpenTask(state="waiting", still_since=ago(60)), ago(ACTIVE_MIN), QUIET),
        (OpenTask(state="waiting", still_since=ago(60)), ago(ACTIVE_MIN + 0.1), None),
        (OpenTask(state="waiting", still_since=ago(60)), None, None),
        (OpenTask(state="waiting", still_since=None), NOW, None),
    ],
)
def test_who_is_stuck_and_why(task: OpenTask, active_at: float | None, expected: Reason | None) -> None:
    assert reason(task, active_at=active_at, now=NOW) == expected


@pytest.mark.parametrize("state", ["broken", "not_ready", "timed_out", "pass"])
def test_what_is_ours_or_the_clocks_never_makes_anybody_stuck(state: str) -> None:
    task = OpenTask(state=state, cause="KEY_MISSING", times=50, still_since=ago(600))

    assert reason(task, active_at=NOW, now=NOW) is None


def test_a_reason_says_itself_in_a_sentence() -> None:
    assert BY_CAUSE.sentence == "The same cause came back 3 times."
    assert QUIET.sentence == "At work for 8 minutes or more without a new verdict."
