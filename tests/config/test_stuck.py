"""When a worker that executes nothing is started again, and when it is left alone."""

from collections.abc import Callable
from itertools import pairwise

from config.stuck import AFTER_S, Patience


def restarts(
    until: float,
    *,
    pulse: Callable[[float], float | None] = lambda now: 1.0,
    redis: Callable[[float], bool] = lambda now: True,
) -> list[tuple[float, str]]:
    """Whom it wants started again, and when, with what is seen every five seconds."""
    patience, now, found = Patience(since=0.0), 0.0, []
    while now < until:
        now += 5.0
        if name := patience.look(now, pulse=pulse(now), redis=redis(now)):
            found.append((now, name))
    return found


def test_a_worker_at_work_is_left_alone() -> None:
    assert restarts(10_000, pulse=lambda now: now) == []


def test_a_worker_that_never_executed_anything_is_started_again() -> None:
    assert restarts(AFTER_S + 10, pulse=lambda now: None) == [(AFTER_S + 5, "worker")]


def test_a_pulse_that_stands_still_for_a_minute_is_noticed() -> None:
    assert restarts(200, pulse=lambda now: min(now, 100.0)) == [(165.0, "worker")]


def test_while_redis_is_away_nobody_is_blamed() -> None:
    assert restarts(1000, redis=lambda now: False) == []


def test_after_redis_is_back_there_is_a_minute_to_take_up_work() -> None:
    found = restarts(400, redis=lambda now: now > 300)

    assert found == [(365.0, "worker")]


def test_when_it_does_not_help_beat_is_tried_and_the_pauses_grow() -> None:
    found = restarts(2000)

    assert [name for _, name in found][:4] == ["worker", "beat", "worker", "beat"]
    pauses = [later - earlier for (earlier, _), (later, _) in pairwise(found)]
    assert pauses == sorted(pauses)
    assert pauses[0] > AFTER_S


def test_when_it_helps_the_patience_is_as_at_first() -> None:
    patience = Patience(since=0.0)
    patience.look(0.0, pulse=1.0, redis=True)
    assert patience.look(100.0, pulse=1.0, redis=True) == "worker"

    assert patience.look(110.0, pulse=2.0, redis=True) is None
    assert patience.strikes == 0
    assert patience.look(175.0, pulse=2.0, redis=True) == "worker"


def test_a_clock_that_jumps_is_no_reason() -> None:
    """The file's time is only compared with itself."""
    assert restarts(1000, pulse=lambda now: -now * 3600) == []
