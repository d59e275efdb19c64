"""A round of grading against rows: what is kept, what is told, what a second or late round must not do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import User
from lessons import rounds
from lessons.checks import ViewUnavailable
from lessons.models import Attempt, TaskProgress, VerdictRow
from tests import make
from tests.lessons import rows
from tests.lessons.paper import PaperView, SilentView

pytestmark = pytest.mark.django_db

GOOD = {"orders": [[b"n0nce 1", b"n0nce 2", b"n0nce 3"]]}
BAD = {"orders": [[b"n0nce bad"]]}
Look = Callable[[PaperView], None]


@pytest.fixture
def ada() -> User:
    return make.student("ada")


@pytest.fixture
def attempt(ada: User) -> Attempt:
    return rows.attempt(ada, rows.two_task_lab(), rows.sandbox(ada))


@pytest.fixture
def see(monkeypatch: pytest.MonkeyPatch) -> Look:
    """What the next rounds find when they look into the sandbox."""

    def look(view: PaperView) -> None:
        monkeypatch.setattr(rounds, "open_view", lambda _id: view)

    return look


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What was announced to the page."""
    heard: list[dict[str, Any]] = []
    monkeypatch.setattr(rounds, "announce", lambda _id, kind, **data: heard.append({"kind": kind, **data}))
    return heard


def test_a_task_completes_by_itself_and_opens_the_next(
    attempt: Attempt,
    see: Look,
    ada: User,
    told: list[dict[str, Any]],
    django_capture_on_commit_callbacks: Any,
) -> None:
    see(PaperView(log=GOOD))

    with django_capture_on_commit_callbacks(execute=True):
        outcome = rounds.run_round(attempt.pk)

    assert set(outcome.changed) == {"first", "second"}
    assert rows.progress(ada, "first").state == "pass"
    second = rows.progress(ada, "second")
    assert (second.state, second.horizon) == ("waiting", {"orders": [3]})
    assert second.activated_at is not None
    assert told[0]["tasks"] == {"first": "pass", "second": "waiting"}


def test_what_is_in_the_log_while_a_task_is_locked_is_remembered_for_it(
    attempt: Attempt, see: Look, ada: User
) -> None:
    see(PaperView(log=BAD))
    rounds.run_round(attempt.pk)
    ends = [len(records) for records in BAD["orders"]]
    assert rows.progress(ada, "second").locked_horizon == {"orders": ends}


def test_what_came_together_with_the_pass_that_unlocks_is_not_held_against_it(
    attempt: Attempt, see: Look, ada: User
) -> None:
    see(PaperView(log={"orders": [[]]}))
    rounds.run_round(attempt.pk)
    see(PaperView(log=GOOD))
    rounds.run_round(attempt.pk)

    assert rows.progress(ada, "first").state == "pass"
    assert rows.progress(ada, "second").locked_horizon in ({}, {"orders": [0]})


def test_the_last_pass_ends_the_attempt_and_gives_the_points(attempt: Attempt, see: Look, ada: User) -> None:
    see(PaperView(log=GOOD, files={"lab/done.txt": "x"}))

    assert rounds.run_round(attempt.pk).finished

    attempt.refresh_from_db()
    assert attempt.ended_at is not None
    assert sum(TaskProgress.objects.values_list("points", flat=True)) == 2
    assert rows.progress(ada, "first").passed_digest == attempt.lab.digest


def test_a_failure_is_kept_with_its_evidence_and_counted_for_its_cause(
    attempt: Attempt, see: Look, ada: User
) -> None:
    see(PaperView(log=BAD))

    rounds.run_round(attempt.pk)

    row = VerdictRow.objects.get()
    assert (row.state, row.cause, row.evidence) == (
        "fail", "BAD_RECORD", [{"topic": "orders", "partition": 0, "offset": 0}],
    )  # fmt: skip
    progress = rows.progress(ada, "first")
    assert progress.last_cause == "BAD_RECORD"
    assert progress.failures["BAD_RECORD"][0] == 1


def test_the_same_failure_seen_again_is_one_failed_attempt(attempt: Attempt, see: Look, ada: User) -> None:
    see(PaperView(log=BAD))

    for _ in range(5):
        rounds.run_round(attempt.pk)

    assert VerdictRow.objects.count() == 1
    assert rows.progress(ada, "first").failures["BAD_RECORD"][0] == 1


def test_the_same_failure_asked_for_is_another_attempt(attempt: Attempt, see: Look, ada: User) -> None:
    see(PaperView(log=BAD))
    rounds.run_round(attempt.pk)

    rounds.run_round(attempt.pk, asked="first")

    assert [(row.number, row.asked) for row in VerdictRow.objects.all()] == [(1, False), (2, True)]
    assert rows.progress(ada, "first").failures["BAD_RECORD"][0] == 2


def test_a_result_once_shown_stays_when_the_next_one_differs(attempt: Attempt, see: Look) -> None:
    see(PaperView(log=BAD))
    rounds.run_round(attempt.pk)
    before = VerdictRow.objects.values().get()

    see(PaperView(log=GOOD))
    rounds.run_round(attempt.pk)

    assert VerdictRow.objects.order_by("pk").values().first() == before
    assert [row.state for row in VerdictRow.objects.all()] == ["fail", "pass"]


def test_a_silent_sandbox_is_shown_and_leaves_no_result(attempt: Attempt, see: Look, ada: User) -> None:
    see(SilentView())

    rounds.run_round(attempt.pk)

    assert rows.progress(ada, "first").state == "not_ready"
    assert VerdictRow.objects.count() == 0


def test_a_sandbox_that_cannot_be_reached_is_not_ready(
    attempt: Attempt, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_id: UUID) -> PaperView:
        raise ViewUnavailable("gone")

    monkeypatch.setattr(rounds, "open_view", gone)

    rounds.run_round(attempt.pk)

    assert rows.progress(ada, "first").state == "not_ready"


def test_a_pass_lasts_whatever_happens_later(attempt: Attempt, see: Look, ada: User) -> None:
    see(PaperView(log=GOOD))
    rounds.run_round(attempt.pk)
    passed_at = rows.progress(ada, "first").passed_at

    see(PaperView(log=BAD))
    rounds.run_round(attempt.pk)

    assert rows.progress(ada, "first").state == "pass"
    assert rows.progress(ada, "first").passed_at == passed_at


@pytest.mark.logs("judge.broken")
def test_a_broken_judge_is_ours_and_is_written_once_with_one_reference(see: Look, ada: User) -> None:
    tasks = [{"id": "first", "title": "One", "check": "breaks"}]
    attempt = rows.attempt(ada, rows.two_task_lab(tasks=tasks, points=1, hints={}), rows.sandbox(ada))
    see(PaperView())

    for _ in range(3):
        rounds.run_round(attempt.pk)

    row = VerdictRow.objects.get()
    assert row.state == "broken"
    assert rows.progress(ada, "first").verdict["cause"] == row.cause
    assert rows.progress(ada, "first").failures == {}


def test_check_on_a_task_that_ran_out_of_time_starts_its_clock_anew(see: Look, ada: User) -> None:
    tasks = [{"id": "first", "title": "One", "check": "first", "within": 60}]
    attempt = rows.attempt(ada, rows.two_task_lab(tasks=tasks, points=1), rows.sandbox(ada))
    late = timezone.now().timestamp() + 120
    see(PaperView(now=late))
    rounds.run_round(attempt.pk)
    assert rows.progress(ada, "first").state == "timed_out"

    see(PaperView(now=timezone.now().timestamp() + 5))
    rounds.run_round(attempt.pk, asked="first")

    assert rows.progress(ada, "first").state == "waiting"


def test_bytes_that_a_database_refuses_are_kept_as_signs_of_themselves(see: Look, ada: User) -> None:
    attempt = rows.attempt(ada, rows.two_task_lab(), rows.sandbox(ada))
    see(PaperView(log={"orders": [[b"n0nce quote \x00" + b"x" * 5000]]}))

    rounds.run_round(attempt.pk)

    note = VerdictRow.objects.get().evidence[0]["note"]
    assert note.startswith("n0nce quote \ufffd")
    assert len(note) == rounds.TEXT_MAX


# -- two workers -------------------------------------------------------------------------------------------


def test_while_one_worker_judges_another_leaves(attempt: Attempt, see: Look) -> None:
    see(PaperView(log=BAD))
    Attempt.objects.filter(pk=attempt.pk).update(
        lease_until=timezone.now() + timedelta(seconds=20), lease_token=4
    )

    assert rounds.run_round(attempt.pk).busy
    assert VerdictRow.objects.count() == 0


def test_the_lease_of_a_worker_that_died_runs_out(attempt: Attempt, see: Look) -> None:
    see(PaperView(log=BAD))
    Attempt.objects.filter(pk=attempt.pk).update(
        lease_until=timezone.now() - timedelta(seconds=1), lease_token=4
    )

    assert not rounds.run_round(attempt.pk).busy
    assert VerdictRow.objects.count() == 1


def test_a_worker_that_lost_its_lease_writes_nothing(
    attempt: Attempt, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(_id: UUID) -> PaperView:
        Attempt.objects.filter(pk=attempt.pk).update(lease_token=99)  # somebody else came in meanwhile
        return PaperView(log=BAD)

    monkeypatch.setattr(rounds, "open_view", slow)

    assert rounds.run_round(attempt.pk).busy
    assert VerdictRow.objects.count() == 0
    assert rows.progress(ada, "first").state == "waiting"


def test_a_round_of_an_attempt_that_was_reset_writes_nothing(
    attempt: Attempt, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reset(_id: UUID) -> PaperView:
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now())
        rows.attempt(ada, attempt.lab, attempt.sandbox)
        return PaperView(log=GOOD)

    monkeypatch.setattr(rounds, "open_view", reset)
    rounds.run_round(attempt.pk)

    assert rows.progress(ada, "first").state == "waiting"


def test_a_doorbell_for_an_attempt_that_is_over_does_nothing(attempt: Attempt) -> None:
    Attempt.objects.filter(pk=attempt.pk).update(ended_at=timezone.now())

    outcome = rounds.run_round(attempt.pk)

    assert (outcome.busy, outcome.changed) == (False, ())


def test_two_rows_with_one_number_cannot_be_written(attempt: Attempt) -> None:
    VerdictRow.objects.create(attempt=attempt, task_id="first", number=1, state="fail")

    with pytest.raises(IntegrityError), transaction.atomic():
        VerdictRow.objects.create(attempt=attempt, task_id="first", number=1, state="fail")


def test_a_student_has_one_open_attempt_at_a_lab(attempt: Attempt, ada: User) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Attempt.objects.create(
            user=ada, lab=attempt.lab, lab_id_text=attempt.lab_id_text, lesson_id="first", nonce="x", seed=1
        )
