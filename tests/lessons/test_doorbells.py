from typing import Any

import pytest

from lessons import rounds, tasks
from lessons.rounds import Outcome


@pytest.fixture
def bells(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds after which each bell would ring."""
    rung: list[float] = []

    def note(_args: Any, countdown: float = 0, **_: Any) -> None:
        rung.append(countdown)

    monkeypatch.setattr(tasks.grade, "apply_async", note)
    return rung


def outcome(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    monkeypatch.setattr(rounds, "run_round", lambda _id: Outcome(**values))


ATTEMPT = "6f1d0c3e-6a2f-4a53-9d3e-3a3b62a0f5d1"


def test_what_is_due_soon_sets_one_bell_however_often_it_is_asked(
    bells: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(monkeypatch, again_s=2.0)

    for _ in range(20):
        tasks.grade(ATTEMPT)

    assert bells == [2.0]


def test_what_is_due_sooner_than_the_bell_that_is_set_gets_its_own(
    bells: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    for again_s in (4.0, 1.0, 3.0):
        outcome(monkeypatch, again_s=again_s)
        tasks.grade(ATTEMPT)

    assert bells == [4.0, 1.0]


def test_what_is_due_late_or_never_sets_no_bell(bells: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    for again_s in (None, 20.0):
        outcome(monkeypatch, again_s=again_s)
        tasks.grade(ATTEMPT)

    assert bells == []


def test_a_worker_that_found_another_at_work_comes_back(
    bells: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome(monkeypatch, busy=True)

    tasks.grade(ATTEMPT)
    tasks.grade(ATTEMPT)

    assert bells == [tasks.BUSY_S]


@pytest.mark.logs("grading.doorbell_lost")
def test_a_lost_doorbell_is_a_line_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def down(*_args: Any, **_: Any) -> None:
        raise ConnectionRefusedError("no Redis")

    monkeypatch.setattr(tasks.grade, "apply_async", down)

    tasks.ring(ATTEMPT)

    assert "grading.doorbell_lost" in caplog.text
