"""What the panel, the note and "why is it alive" say while somebody waits, fails or falls asleep."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from sandboxes import expiry, reconcile, retries, services, sweep
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests import make
from tests.cast import assemble
from tests.sandboxes import invariants
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle, sweep_and_settle

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true"}


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def panel_of(page: Client) -> str:
    return page.get("/sandbox/", headers=HTMX).content.decode()


def wake_until(sandbox: Sandbox, minutes: float, **fields: object) -> None:
    at = timezone.now() + timedelta(minutes=minutes)
    Sandbox.objects.filter(pk=sandbox.pk).update(expires_at=at, **fields)


# -- waiting -----------------------------------------------------------------------------------------------


@pytest.fixture
def line(use_backend: Use, django_user_model: type[User]) -> list[Sandbox]:
    """One starts and three wait behind it."""
    use_backend("NeverBackend")
    Cluster.objects.create(name="here", starts_at_once=1)
    users = [django_user_model.objects.create_user(f"student-{number}") for number in range(4)]
    line = [services.request_sandbox(user) for user in users]
    reconcile.reconcile(line[0].pk)
    return line


def test_who_waits_sees_their_place_the_line_and_an_estimate(
    page: Client, line: list[Sandbox], ada: User
) -> None:
    services.request_sandbox(ada)

    panel = panel_of(page)

    assert "You are fourth in the queue" in panel
    assert "3 in front of you, 0 behind" in panel
    assert panel.count('class="ahead"') == 3
    assert "Leave the queue" in panel
    assert 'data-idle="place 4,' in panel


def test_a_long_line_is_said_in_full_and_drawn_in_part(page: Client, line: list[Sandbox], ada: User) -> None:
    users = [User.objects.create_user(f"more-{number}") for number in range(40)]
    for user in users:
        services.request_sandbox(user)
    services.request_sandbox(ada)

    panel = panel_of(page)

    assert "You are number 44 in the queue" in panel
    assert "43 in front of you" in panel
    assert panel.count('class="ahead"') == 12


def test_the_estimate_grows_with_the_place(line: list[Sandbox]) -> None:
    from sandboxes import selectors

    rows = selectors.queue_rows()

    assert [row.place for row in rows] == [1, 2, 3]
    assert [row.sandbox.pk for row in rows] == [sandbox.pk for sandbox in line[1:]]
    assert rows[0].wait_s < rows[1].wait_s < rows[2].wait_s


def test_a_warm_one_is_offered_as_such(page: Client) -> None:
    cluster = Cluster.objects.create(name="here")
    services.reserve_pool(
        cluster, profile="kafka-1", count=1, until=timezone.now() + timedelta(hours=1), reason="", by=None
    )
    sweep_and_settle()

    offered = panel_of(page)
    taken = page.post("/sandbox/start/", headers=HTMX).content.decode()

    assert "waiting, started and proven" in offered
    assert "Your sandbox is being handed over" in taken


def test_the_answer_to_a_press_takes_the_focus_and_a_look_does_not(page: Client, line: list[Sandbox]) -> None:
    pressed = page.post("/sandbox/start/", headers=HTMX).content.decode()

    assert '<h2 tabindex="-1" autofocus>' in pressed
    assert "autofocus" not in panel_of(page)


# -- failing and trying again ------------------------------------------------------------------------------


def test_a_failed_start_shows_where_it_stopped_and_when_it_is_tried_again(
    page: Client, ada: User, use_backend: Use
) -> None:
    use_backend("CrashLoopBackend")
    settle(services.request_sandbox(ada))

    panel = panel_of(page)

    assert '<li class="halt">' in panel
    assert "<code>broker_exited</code>" in panel
    assert "try 1 of 3" in panel
    assert 'data-idle="retry ' in panel


@pytest.mark.parametrize(("cause", "is_ours"), [("broker_exited", True), ("too_many_partitions", False)])
def test_what_a_student_put_in_is_not_called_ours(
    page: Client, failed: Sandbox, cause: str, is_ours: bool
) -> None:
    Sandbox.objects.filter(pk=failed.pk).update(failure_cause=cause)

    panel = panel_of(page)

    assert ("ours, not yours" in panel) is is_ours
    assert ("Your sandbox holds too much" in panel) is not is_ours


@pytest.fixture
def failed(ada: User, use_backend: Use) -> Sandbox:
    use_backend("CrashLoopBackend")
    sandbox = services.request_sandbox(ada)
    settle(sandbox)
    assert sandbox.now is State.FAILED
    return sandbox


def pause_over(sandbox: Sandbox) -> None:
    Sandbox.objects.filter(pk=sandbox.pk).update(retry_at=timezone.now())


def test_a_failure_is_tried_again_with_growing_pauses_and_then_no_more(failed: Sandbox) -> None:
    pauses = []
    while failed.retry_at is not None:
        pauses.append(round((failed.retry_at - failed.state_since).total_seconds()))
        pause_over(failed)
        sweep_and_settle()
        failed.refresh_from_db()

    assert pauses == [5, 20, 60]
    assert (failed.now, failed.retries) == (State.FAILED, 3)
    invariants.check()


def test_nothing_is_tried_before_its_pause_is_over(failed: Sandbox) -> None:
    sweep_and_settle()

    failed.refresh_from_db()
    assert (failed.now, failed.retries) == (State.FAILED, 0)


def test_what_failed_comes_up_by_itself_once_it_can(failed: Sandbox, use_backend: Use) -> None:
    use_backend("InstantBackend")
    pause_over(failed)

    sweep_and_settle()

    failed.refresh_from_db()
    assert (failed.now, failed.retries, failed.retry_at) == (State.READY, 0, None)
    last = failed.events.filter(old="failed").get()
    assert (last.new, last.actor) == ("queued", "sweep")
    invariants.check()


def test_a_person_who_presses_gets_all_tries_anew(failed: Sandbox, ada: User) -> None:
    Sandbox.objects.filter(pk=failed.pk).update(retries=3, retry_at=None)

    services.request_sandbox(ada)
    settle(failed)

    assert failed.retry_at is not None
    assert failed.retries == 0


@pytest.mark.logs("sandbox.backend_refused")
def test_what_cannot_come_right_is_not_tried_again(ada: User, use_backend: Use) -> None:
    use_backend("BrokenBackend")
    sandbox = services.request_sandbox(ada)
    reconcile.reconcile(sandbox.pk)

    sandbox.refresh_from_db()
    assert (sandbox.now, sandbox.retry_at) == (State.FAILED, None)
    assert retries.next_try(sandbox, retryable=False) is None


def test_failures_are_counted_by_cause(failed: Sandbox, edsger: User) -> None:
    from sandboxes import selectors

    settle(services.request_sandbox(edsger))

    (row,) = selectors.failures_by_cause(timezone.now() - timedelta(hours=1))

    assert (row.cause, row.count, row.sandboxes) == ("broker_exited", 2, 2)
    assert row.sentence == "The broker ended while it was starting."
    assert selectors.failures_by_cause(timezone.now() + timedelta(hours=1)) == ()


# -- falling asleep ----------------------------------------------------------------------------------------


def test_five_minutes_before_it_sleeps_every_page_says_so(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    wake_until(sandbox, 20)
    before = panel_of(page)
    wake_until(sandbox, 4.5)

    panel = panel_of(page)

    assert 'id="note-extend"' not in before
    assert "goes to sleep in <b>5 min</b>" in panel
    assert 'id="note-extend"' in panel


def test_one_press_keeps_it_awake_for_another_half_hour(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    wake_until(sandbox, 3)

    panel = page.post("/sandbox/extend/", headers=HTMX).content.decode()

    assert "30 more minutes without use" in panel
    assert 'id="note-extend"' not in panel
    act = sandbox.events.filter(kind=SandboxEvent.ACT).get()
    assert (act.new, act.actor) == ("extend", "student")


def test_the_pages_are_told_once_when_five_minutes_are_left(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = ready_sandbox(ada)
    told: list[object] = []
    monkeypatch.setattr(sweep, "announce_state", lambda *said: told.append(said[0]))

    for minutes in (6, 4.9, 3):
        wake_until(sandbox, minutes)
        sweep.warn_of_sleep()

    assert told == [sandbox.pk]


def test_at_the_hard_cap_more_time_is_refused_with_a_way_on(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    wake_until(sandbox, 3, begun_at=timezone.now() - expiry.HARD_CAP + timedelta(minutes=3))

    panel = page.post("/sandbox/extend/", headers=HTMX).content.decode()

    assert "Put it to sleep and wake it" in panel
    assert 'id="note-extend"' not in panel


def test_the_hard_cap_is_kept_by_the_sweep_while_a_program_runs_and_it_is_held(ada: User) -> None:
    from sandboxes import provisioning

    sandbox = ready_sandbox(ada)
    space = provisioning.workspace(sandbox)
    space.write_file("loop.py", "while True: pass")
    space.start_program(path="loop.py")
    services.hold(sandbox, until=timezone.now() + timedelta(hours=3), by=make.admin("root"))
    wake_until(sandbox, 0, begun_at=timezone.now() - expiry.HARD_CAP)

    sweep_and_settle()

    sandbox.refresh_from_db()
    assert sandbox.now is State.SUSPENDED
    assert "10 hours" in sandbox.events.get(new="suspending").detail


def test_a_hold_keeps_an_unused_one_awake_until_it_ends(ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.hold(sandbox, until=timezone.now() + timedelta(hours=2), by=make.admin("root"), reason="talk")

    assert sandbox.expires_at
    assert sandbox.expires_at > timezone.now() + timedelta(minutes=110)


def test_a_hold_ends_at_the_hard_cap(ada: User) -> None:
    sandbox = ready_sandbox(ada)

    services.hold(sandbox, until=timezone.now() + timedelta(days=3), by=make.admin("root"))

    assert sandbox.held_until == expiry.hard_cap(sandbox)


# -- why is it alive ---------------------------------------------------------------------------------------


def test_the_whole_story_has_an_address_of_its_own(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.hold(sandbox, until=timezone.now() + timedelta(hours=2), by=make.admin("root"), reason="talk")

    whole = page.get("/sandbox/why/").content.decode()
    fragment = page.get("/sandbox/why/", headers=HTMX).content.decode()

    for said in (
        "What last counted as use",
        "it was started",
        "in the queue",
        "starting",
        "by root, admin",
    ):
        assert said in whole, said
    assert "<html" in whole
    assert "<html" not in fragment
    assert "in any case at" in fragment


def test_a_long_story_is_cut_and_says_so(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    for _ in range(20):
        SandboxEvent.act(sandbox, "extend", actor="student")

    assert "earlier events are not shown" in page.get("/sandbox/why/", headers=HTMX).content.decode()
    assert "earlier event" not in page.get("/sandbox/why/").content.decode()


def test_a_reason_of_theirs_is_shown_as_text(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    reason = "<script>alert(1)</script>"
    services.hold(sandbox, until=timezone.now() + timedelta(hours=2), by=make.admin("root"), reason=reason)

    assert "<script>alert" not in page.get("/sandbox/why/").content.decode()


def test_her_instructor_and_an_admin_may_read_it_and_nobody_else(client: Client) -> None:
    cast = assemble()
    sandbox = ready_sandbox(cast.ada)
    address, found = f"/sandbox/{sandbox.pk}/why/", {}
    for name in ("ada", "grace", "root", "edsger", "barbara"):
        client.force_login(getattr(cast, name))
        answer = client.get(address)
        found[name] = answer.status_code
        assert answer.status_code == 404 or "it was started" in answer.content.decode()

    assert found == {"ada": 200, "grace": 200, "root": 200, "edsger": 404, "barbara": 404}


def test_a_warm_one_is_told_of_to_admins_only(client: Client) -> None:
    cast = assemble()
    warm = Sandbox.objects.create(owner=None, state=State.WARM)
    found = {}
    for name in ("root", "grace"):
        client.force_login(getattr(cast, name))
        found[name] = client.get(f"/sandbox/{warm.pk}/why/").status_code

    assert found == {"root": 200, "grace": 404}


# -- hammering (F18) ---------------------------------------------------------------------------------------


def test_two_tabs_pressing_everything_leave_one_sandbox_and_a_sentence(page: Client, ada: User) -> None:
    """Fifty presses without a pause: those over the limit are told when to come back, none is an error."""
    buttons = ("start", "stop", "start-over", "resume", "delete")
    answers = [page.post(f"/sandbox/{buttons[n % 5]}/", headers=HTMX) for n in range(50)]

    assert {answer.status_code for answer in answers} <= {200, 429}
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert all(int(answer["Retry-After"]) > 0 for answer in refused)
    assert all("Try again in" in answer.content.decode() for answer in refused)
    sweep_and_settle()
    settle(*Sandbox.objects.all())
    assert Sandbox.objects.filter(owner=ada, wanted="present").count() <= 1
    invariants.check()
