"""What is forgotten after how long, and that nobody has to wait for it."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.db import OperationalError
from django.utils import timezone
from prometheus_client import REGISTRY

from accounts.models import User
from config import retention, tasks
from config.backup import making
from config.celery import app
from lessons.models import Attempt, TaskProgress, VerdictRow
from sandboxes import services
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent
from sandboxes.retention import SLICE, deleted_sandboxes
from tests import make
from tests.lessons import rows
from tests.sandboxes import invariants
from tests.sandboxes.driving import ready_sandbox, settle
from tests.sandboxes.engines import Site, postgres_site, sqlite_site

MODULE = "tests.sandboxes.long_ago"


def long_ago(sandbox: Sandbox, days: float) -> Sandbox:
    """All of its story so far happened so many days ago."""
    then = timezone.now() - timedelta(days=days)
    sandbox.events.update(at=then)
    Sandbox.objects.filter(pk=sandbox.pk).update(state_since=then)
    return sandbox


def deleted(owner: User, *, days: float, by: User | None = None) -> Sandbox:
    sandbox = ready_sandbox(owner)
    services.delete_sandbox(sandbox, by=by)
    settle(sandbox)
    return long_ago(sandbox, days)


def faults(sandbox: Sandbox, count: int, *, days: float | None) -> None:
    """Records of faults taken out so many days ago; None: still in force, however old."""
    then = None if days is None else timezone.now() - timedelta(days=days)
    FaultRecord.objects.bulk_create(
        FaultRecord(
            sandbox=sandbox,
            kind="latency",
            injected_at=then or timezone.now() - timedelta(days=200),
            deadline=then or timezone.now() + timedelta(seconds=60),
            undone_at=then,
        )
        for _ in range(count)
    )


def counted(what: str) -> float:
    return REGISTRY.get_sample_value("millrace_retention_removed_total", {"what": what}) or 0.0


def is_there(sandbox: Sandbox) -> bool:
    return Sandbox.objects.filter(pk=sandbox.pk).exists()


def test_a_sandbox_deleted_long_ago_goes_with_its_events(ada: User) -> None:
    old, recent = deleted(ada, days=91), deleted(ada, days=89)

    removed = retention.remove()

    assert removed["sandboxes"] == 1
    assert removed["events"] > 3
    assert not is_there(old)
    assert is_there(recent)
    assert not SandboxEvent.objects.filter(sandbox=old.pk).exists()
    invariants.check()


def test_what_staff_did_is_kept_for_two_years(ada: User) -> None:
    admin = make.admin()
    kept, gone = deleted(ada, days=729, by=admin), deleted(ada, days=731, by=admin)

    retention.remove()

    assert is_there(kept)
    assert kept.events.filter(actor="admin", by=admin, new="deleting").exists()
    assert not is_there(gone)
    invariants.check()


def test_a_backup_that_put_it_to_sleep_is_nobody_of_the_staff(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(making, "_ASLEEP_WITHIN_S", 0)
    sandbox = ready_sandbox(ada)
    making._put_all_to_sleep(lambda said: None)
    settle(sandbox)
    services.delete_sandbox(sandbox)
    settle(sandbox)
    long_ago(sandbox, 91)

    assert retention.remove()["sandboxes"] == 1


def test_a_living_sandbox_keeps_its_moves_and_what_staff_did_to_it(ada: User) -> None:
    sandbox, instructor = ready_sandbox(ada), make.instructor()
    SandboxEvent.act(sandbox, "freeze", actor="worker")
    services.hold(sandbox, until=timezone.now() + timedelta(hours=1), by=instructor, reason="class")
    moves = list(sandbox.events.filter(kind="move").values_list("pk", flat=True))
    long_ago(sandbox, 1000)
    SandboxEvent.act(sandbox, "thaw", actor="worker")

    removed = retention.remove()

    assert removed["sandboxes"] == 0
    assert removed["events"] > 0
    kept = sandbox.events.all()
    assert [event.pk for event in kept if event.kind == "move"] == moves
    assert [event.new for event in kept if event.kind == "act"] == ["hold", "thaw"]
    invariants.check()


def test_a_living_sandbox_forgets_faults_taken_out_long_ago_and_none_that_is_in_force(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    faults(sandbox, 3, days=91)
    faults(sandbox, 1, days=89)
    faults(sandbox, 1, days=None)

    assert retention.remove()["faults"] == 3

    kept = FaultRecord.objects.filter(sandbox=sandbox)
    assert sorted(record.undone_at is None for record in kept) == [False, True]
    assert retention.remove()["faults"] == 0


def test_a_sandbox_kept_for_what_staff_did_forgets_its_faults_earlier(ada: User) -> None:
    sandbox = deleted(ada, days=100, by=make.admin())
    faults(sandbox, 2, days=100)

    assert retention.remove()["faults"] == 2
    assert is_there(sandbox)


def test_no_work_of_a_student_is_ever_removed(ada: User) -> None:
    sandbox = deleted(ada, days=5000)
    attempt = rows.attempt(ada, rows.two_task_lab(), sandbox)
    VerdictRow.objects.create(attempt=attempt, task_id="one", number=1, state="pass", evidence=[{"at": 1}])
    VerdictRow.objects.update(judged_at=timezone.now() - timedelta(days=5000))
    verdicts, progress = list(VerdictRow.objects.values()), list(TaskProgress.objects.values())

    retention.remove()

    assert not is_there(sandbox)
    assert Attempt.objects.get().sandbox is None
    assert list(VerdictRow.objects.values()) == verdicts
    assert list(TaskProgress.objects.values()) == progress


def test_a_session_goes_when_its_time_is_over(db: None) -> None:
    now = timezone.now()
    for key, ends in (("over", now - timedelta(seconds=1)), ("on", now + timedelta(hours=1))):
        Session.objects.create(session_key=key, session_data="", expire_date=ends)

    assert retention.remove() == Counter(sessions=1)
    assert [session.pk for session in Session.objects.all()] == ["on"]


def test_zero_days_mean_for_ever(ada: User, settings: object) -> None:
    settings.KEEP_HISTORY_DAYS = settings.KEEP_AUDIT_DAYS = 0  # type: ignore[attr-defined]
    sandbox = deleted(ada, days=9999)
    faults(sandbox, 1, days=9999)

    assert not retention.remove()
    assert is_there(sandbox)


def test_a_long_life_is_forgotten_piece_by_piece(ada: User) -> None:
    sandbox = deleted(ada, days=100)
    SandboxEvent.objects.bulk_create(
        SandboxEvent(
            sandbox=sandbox, at=timezone.now(), kind="act", new="freeze", generation=1, actor="worker"
        )
        for _ in range(2 * SLICE)
    )
    events = sandbox.events.count()

    pieces = []
    while taken := deleted_sandboxes():
        pieces.append(taken)

    assert [piece["sandboxes"] for piece in pieces] == [0, 0, 1]
    assert max(piece["events"] for piece in pieces) <= SLICE
    assert sum(piece["events"] for piece in pieces) == events


def test_many_faults_of_one_life_are_forgotten_piece_by_piece(ada: User) -> None:
    sandbox = deleted(ada, days=100)
    faults(sandbox, 2 * SLICE + 1, days=100)

    pieces = []
    while taken := deleted_sandboxes():
        pieces.append(taken)

    assert [piece["faults"] for piece in pieces] == [SLICE, SLICE, 1, 0]
    assert not is_there(sandbox)


def test_it_says_what_it_removed_and_nothing_when_there_was_nothing(
    ada: User, caplog: pytest.LogCaptureFixture
) -> None:
    deleted(ada, days=100)
    caplog.clear()

    assert tasks.forget()["sandboxes"] == 1
    assert tasks.forget() == {}
    assert [record.getMessage() for record in caplog.records] == ["retention.removed"]


def endless(what: str) -> retention.Slice:
    """A kind of which there is always more."""
    return lambda: Counter({what: 1})


def test_a_kind_of_which_there_is_much_leaves_time_for_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLICES", [endless("sandboxes"), endless("events"), endless("sessions")])

    removed = retention.remove(lasts_s=0.5)

    assert set(removed) == {"sandboxes", "events", "sessions"}
    assert max(removed.values()) - min(removed.values()) <= 1


@pytest.mark.logs("retention.failed")
@pytest.mark.django_db
def test_one_kind_that_fails_costs_neither_the_others_nor_the_counts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def locked() -> Counter[str]:
        raise OperationalError("database is locked")

    due = [Counter(events=2), Counter(events=1), Counter[str]()]
    monkeypatch.setattr(retention, "SLICES", [locked, lambda: due.pop(0)])
    before = counted("events")

    assert retention.remove() == Counter(events=3)

    assert counted("events") - before == 3
    assert [record.getMessage() for record in caplog.records] == ["retention.failed", "retention.removed"]


def test_beat_sends_it_once_an_hour_and_no_start_waits_behind_it() -> None:
    planned = app.conf.beat_schedule["retention"]

    assert (planned["task"], planned["schedule"]) == (tasks.forget.name, 3600.0)
    route = app.amqp.router.route({}, tasks.forget.name)
    assert route["queue"].name == "housekeeping"


# -- on both databases, from several processes ------------------------------------------------------------


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], ids=str)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    with (sqlite_site if request.param == "sqlite" else postgres_site)(SANDBOX_BACKEND="memory") as site:
        yield site


@pytest.mark.slow
def test_two_runs_at_once_remove_everything_once_and_lock_nobody_out(site: Site) -> None:
    events = site.worker("fill", 60, 250, module=MODULE)

    with ThreadPoolExecutor(3) as pool:
        writing = pool.submit(site.worker, "write", 6, module=MODULE)
        runs = [pool.submit(site.worker, "forget", module=MODULE) for _ in range(2)]
        removed: Counter[str] = sum((Counter(run.result()) for run in runs), Counter())
        written = writing.result()

    assert removed == Counter(sandboxes=60, events=events, sessions=1200)
    assert site.worker("left", module=MODULE) == {"sandboxes": 0, "events": 0, "sessions": 0}
    assert written["errors"] == []
    assert written["times"] > 0
    assert site.worker("forget", module=MODULE) == {}
