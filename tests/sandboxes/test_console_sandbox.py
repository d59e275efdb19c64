"""One sandbox's page: what it tells in every state; what an admin may do, proven and written down."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sandboxes import faults, provisioning, services
from sandboxes.backends.base import Fault
from sandboxes.console import acts
from sandboxes.console.fleet import fleet
from sandboxes.console.question import Question
from sandboxes.console.starts import last_start
from sandboxes.console.story import SHOWN, story
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox, SandboxEvent
from tests import make
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle
from tests.sandboxes.rooms import HTMX, Console, made_up, one

pytestmark = pytest.mark.django_db


@pytest.fixture
def console(db: None) -> Console:
    return Console(make.admin("root", first_name="Ana", last_name="Ortiz"))


@pytest.fixture
def sandbox(db: None) -> Sandbox:
    return ready_sandbox(make.student("lovelace", first_name="Ada", last_name="Lovelace"))


def last_act(sandbox: Sandbox) -> SandboxEvent:
    return SandboxEvent.objects.filter(sandbox=sandbox).exclude(by=None).latest("pk")


# -- what it tells -----------------------------------------------------------------------------------------


def test_its_start_is_told_stage_by_stage_with_what_each_took(console: Console, sandbox: Sandbox) -> None:
    page = console.get(one(sandbox))

    for shown in ("Ada Lovelace", "Waited for room", "Handed over", "until it was in use", "by its owner"):
        assert shown in page, shown
    assert re.search(r"\d\.\d\d s", page)


@pytest.mark.parametrize("state", list(State))
def test_it_is_told_in_every_state(console: Console, state: State) -> None:
    (made,) = made_up(1, state=state, failure_sentence="The disk is full.", retry_at=timezone.now())
    page = console.get(one(made))
    assert made.reference in page
    assert f"<code>{state}</code>" in page


def test_a_sandbox_of_nobodys_is_told(console: Console) -> None:
    made = Sandbox.objects.create(owner=None, state=State.WARM, frozen=True)
    assert "for whoever starts next" in console.get(one(made))


def test_there_is_no_page_of_what_never_was(console: Console) -> None:
    missing = "/console/sandboxes/00000000-0000-4000-8000-000000000000/"
    for path in (missing, f"{missing}seen/", f"{missing}stop/"):
        assert console.browser.get(path).status_code == 404


def test_every_event_says_who(console: Console, sandbox: Sandbox) -> None:
    services.extend(sandbox, by=console.admin)
    page = console.get(one(sandbox))
    assert "by Ana Ortiz, admin" in page
    assert "by Millrace" in page


def test_a_person_who_is_gone_leaves_what_they_did(console: Console, sandbox: Sandbox) -> None:
    other = make.admin("other")
    services.extend(sandbox, by=other)
    other.delete()
    assert "by an admin" in console.get(one(sandbox))


def test_only_so_many_events_are_shown_and_the_rest_is_counted(console: Console, sandbox: Sandbox) -> None:
    before = sandbox.events.count()
    for _ in range(SHOWN):
        SandboxEvent.act(sandbox, "extend", actor="student")
    told = story(sandbox)
    assert told.older == before
    assert f"{before} older events not shown" in console.get(one(sandbox))


def test_a_long_life_costs_no_more_queries_than_a_short_one(
    console: Console, sandbox: Sandbox, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(4) as few:
        story(sandbox)
    for _ in range(300):
        SandboxEvent.act(sandbox, "extend", actor="admin", by=console.admin)
    with django_assert_num_queries(len(few.captured_queries)):
        story(sandbox)


def test_a_long_life_is_read_from_its_end_and_no_further(
    console: Console, sandbox: Sandbox, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(2 * SHOWN):
        SandboxEvent.record(sandbox, old="ready", at=timezone.now(), actor=f"w{number}")

    with django_assert_num_queries(4) as asked:
        told = story(sandbox)

    rows = [query["sql"] for query in asked.captured_queries if "COUNT" not in query["sql"]]
    assert all("LIMIT" in sql for sql in rows)
    assert told.life_from == sandbox.events.order_by("-pk")[SHOWN - 1].at


def test_the_stages_of_a_start_stand_on_one_line(sandbox: Sandbox, console: Console) -> None:
    at = timezone.now()
    for number, (old, new) in enumerate((("", "namespaces"), ("namespaces", "kafka"), ("kafka", "probe"))):
        SandboxEvent.objects.create(
            sandbox=sandbox, at=at + timedelta(seconds=number), kind="stage", old=old, new=new, generation=1,
            actor="worker",
        )  # fmt: skip
    SandboxEvent.objects.create(
        sandbox=sandbox, at=at + timedelta(seconds=5), kind="move", old="binding", new="ready", generation=1,
        actor="worker",
    )  # fmt: skip
    told = [moment.detail for moment in story(sandbox).moments if moment.what == "In stages"]
    assert told[0] == "its walls 1.00 s, its broker 1.00 s, proof that Kafka answers 3.00 s"


def test_faults_are_told_with_who_and_until_when(console: Console, sandbox: Sandbox) -> None:
    faults.book(sandbox, Fault(kind="latency", ms=200), seconds=60, actor="student")
    page = console.get(one(sandbox))
    assert "<code>latency</code> 200 ms" in page
    assert "still in, until" in page
    assert "Fault put in: latency" in page
    faults.undo(sandbox.faults.get())
    assert "Fault taken out: latency" in console.get(one(sandbox))


@pytest.mark.parametrize(
    ("act", "is_frozen", "word"), [("freeze", True, "Frozen"), ("thaw", False, "In use")]
)
def test_how_long_it_rests_or_is_used_counts_from_its_last_freezing_or_thawing(
    console: Console, sandbox: Sandbox, act: str, is_frozen: bool, word: str
) -> None:
    now = timezone.now()
    Sandbox.objects.filter(pk=sandbox.pk).update(state_since=now - timedelta(hours=3), frozen=is_frozen)
    SandboxEvent.act(sandbox, act, actor="worker")
    sandbox.events.filter(new=act).update(at=now - timedelta(minutes=4))

    page, shown = console.get(one(sandbox)), fleet(Question())

    assert f"{word} for 4 min" in page
    assert ", for 4 min</dd>" in page.replace("<code>ready</code>, frozen", "<code>ready</code>")
    assert "for 3 h" not in page
    assert [row.since for row in shown.rows] == ["4 min"]


def test_what_was_frozen_before_it_slept_counts_from_its_waking(sandbox: Sandbox) -> None:
    now = timezone.now()
    Sandbox.objects.filter(pk=sandbox.pk).update(state_since=now - timedelta(minutes=2))
    SandboxEvent.act(sandbox, "freeze", actor="worker")
    sandbox.events.filter(new="freeze").update(at=now - timedelta(hours=5))
    sandbox.refresh_from_db()

    assert story(sandbox).since == fleet(Question()).rows[0].since == "2 min"


def test_its_end_is_told_in_sentences(console: Console) -> None:
    at = timezone.now() - timedelta(seconds=30)
    (leaving,) = made_up(1, state=State.DELETING, state_since=at)
    (gone,) = made_up(1, state=State.DELETED, state_since=at)

    assert "Its deletion began 3" in console.get(one(leaving))
    assert "It is gone, deleted 3" in console.get(one(gone))


def event(kind: str, old: str, new: str, second: float) -> SandboxEvent:
    at = timezone.now().replace(microsecond=0) + timedelta(seconds=second)
    return SandboxEvent(kind=kind, old=old, new=new, at=at, generation=1, actor="worker")


COLD = [
    event("move", "", "queued", 0),
    event("move", "queued", "provisioning", 2),
    event("stage", "", "kafka", 3),
    event("move", "provisioning", "binding", 5),
    event("move", "binding", "ready", 6),
]


def test_a_start_is_measured_between_its_events() -> None:
    start = last_start(COLD, now=timezone.now())
    assert start is not None
    assert [(step.what, step.took, step.mark) for step in start.steps] == [
        ("Waited for room", "2.00 s", "past"),
        ("Asked its machine", "1.00 s", "past"),
        ("Its broker", "2.00 s", "past"),
        ("Handed over", "1.00 s", "past"),
    ]
    assert (start.took, start.ended) == ("6.00 s", "in use")
    assert sum(step.width for step in start.steps) == pytest.approx(1000, abs=3)


def test_every_stage_has_a_name_also_the_one_after_the_last() -> None:
    start = last_start([*COLD[:3], event("stage", "probe", "", 4), *COLD[3:]], now=timezone.now())
    assert start is not None
    assert all(step.what for step in start.steps)


def test_a_start_under_way_ends_now() -> None:
    start = last_start(COLD[:3], now=COLD[2].at + timedelta(seconds=7))
    assert start is not None
    assert (start.steps[-1].took, start.steps[-1].mark, start.ended) == ("7.00 s", "now", "")


def test_a_start_that_failed_shows_where() -> None:
    failed = event("move", "provisioning", "failed", 4)
    start = last_start([*COLD[:3], failed], now=timezone.now())
    assert start is not None
    assert [step.mark for step in start.steps] == ["past", "past", "halt"]


def test_a_wake_and_a_claim_are_starts_too_and_the_last_one_counts() -> None:
    wake = [event("move", "suspended", "resuming", 10), event("move", "resuming", "ready", 12)]
    claim = [event("move", "warm", "binding", 20), event("move", "binding", "ready", 20.5)]
    woken = last_start([*COLD, *wake], now=timezone.now())
    claimed = last_start([*COLD, *wake, *claim], now=timezone.now())
    assert woken is not None
    assert claimed is not None
    assert (woken.took, claimed.took) == ("2.00 s", "0.50 s")


def test_without_a_start_nothing_is_told_of_one() -> None:
    assert last_start([], now=timezone.now()) is None
    assert last_start([event("act", "", "extend", 0)], now=timezone.now()) is None


# -- what its machine sees ---------------------------------------------------------------------------------


def test_its_machine_is_asked_once_and_its_programs_counted(console: Console, sandbox: Sandbox) -> None:
    space = provisioning.workspace(sandbox)
    space.write_file("a.py", "import time\ntime.sleep(60)\n")
    space.start_program(path="a.py")
    seen = console.get(one(sandbox, "seen/"), **HTMX)
    for shown in ("<code>running</code>", "1, combined, runs", "1 noted", "130 MiB", "processes"):
        assert shown in seen, shown


def test_no_password_of_a_broker_is_on_a_page(console: Console, sandbox: Sandbox) -> None:
    password = provisioning.endpoint(sandbox.pk).password
    assert len(password) > 10
    assert password not in console.get(one(sandbox, "seen/")) + console.get(one(sandbox))


def test_looking_does_not_wake_what_is_frozen(console: Console, sandbox: Sandbox) -> None:
    backend = provisioning.backend_for(sandbox)
    backend.freeze(sandbox.hex)
    Sandbox.objects.filter(pk=sandbox.pk).update(frozen=True)
    before = Sandbox.objects.values().get(pk=sandbox.pk)

    assert "frozen" in console.get(one(sandbox, "seen/"))

    assert backend.observe(sandbox.hex).frozen
    assert Sandbox.objects.values().get(pk=sandbox.pk) == before


def test_a_machine_that_is_away_leaves_the_page_whole(
    console: Console, sandbox: Sandbox, use_backend: Use
) -> None:
    use_backend("UnreachableBackend")
    assert "The sandbox host does not answer." in console.get(one(sandbox, "seen/"), **HTMX)
    assert "Ada Lovelace" in console.get(one(sandbox))


def test_a_refusal_for_its_owner_is_put_for_an_admin(console: Console) -> None:
    (made,) = made_up(1)
    seen = console.get(one(made, "seen/"))
    assert "There is no such sandbox here." in seen
    assert "Press Start" not in seen


# -- what may be done --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "possible"),
    [
        (State.QUEUED, {"stop", "start-over", "delete"}),
        (State.PROVISIONING, {"stop", "start-over", "delete"}),
        (State.READY, {"extend", "hold", "stop", "start-over", "delete"}),
        (State.DEGRADED, {"extend", "hold", "stop", "start-over", "delete"}),
        (State.SUSPENDING, {"start-over", "delete"}),
        (State.SUSPENDED, {"wake", "start-over", "delete"}),
        (State.RESUMING, {"stop", "start-over", "delete"}),
        (State.FAILED, {"wake", "start-over", "delete"}),
        (State.DELETING, set()),
        (State.QUARANTINED, {"delete"}),
        (State.DELETED, set()),
    ],
)
def test_each_state_offers_what_makes_sense_in_it(state: State, possible: set[str]) -> None:
    (made,) = made_up(1, state=state)
    assert {act.name for act in acts.possible(made)} == possible


def test_a_warm_one_can_be_stopped_and_deleted_but_not_started_over() -> None:
    warm = Sandbox.objects.create(owner=None, state=State.WARM)
    assert {act.name for act in acts.possible(warm)} == {"stop", "delete"}


@pytest.mark.parametrize("name", list(acts.ACTS))
@pytest.mark.parametrize("state", list(State))
def test_pressing_anything_in_any_state_answers_with_a_sentence(
    console: Console, name: str, state: State
) -> None:
    (made,) = made_up(1, state=state)
    console.prove()
    page = console.post(one(made, f"{name}/"), reference=made.reference)
    assert re.search(r'<p class="audit (success|error)".*?<span>.{20,}</span>', page)


def test_stop_asks_first_and_says_what_it_touches(console: Console, sandbox: Sandbox) -> None:
    page = console.get(one(sandbox, "stop/"))
    assert "Topics, records, offsets and files stay" in page
    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_stop_is_done_told_and_written_down_with_the_admins_name(console: Console, sandbox: Sandbox) -> None:
    page = console.post(one(sandbox, "stop/"))

    sandbox.refresh_from_db()
    assert sandbox.now is State.SUSPENDING
    assert f"{sandbox.reference} is going to sleep, with everything in it." in page
    assert (last_act(sandbox).by, last_act(sandbox).actor) == (console.admin, "admin")
    assert "by Ana Ortiz, admin" in page


def test_the_second_admin_is_told_that_it_was_done(console: Console, sandbox: Sandbox) -> None:
    second = Console(make.admin("second"))
    console.post(one(sandbox, "stop/"))
    page = second.post(one(sandbox, "stop/"))
    assert "so there is nothing to stop" in page
    assert SandboxEvent.objects.filter(sandbox=sandbox, new="suspending").count() == 1


def test_two_admins_at_the_same_instant_change_it_once(console: Console, sandbox: Sandbox) -> None:
    second = make.admin("second")
    mine, theirs = Sandbox.objects.get(pk=sandbox.pk), Sandbox.objects.get(pk=sandbox.pk)
    stop = acts.ACTS["stop"].do

    told = stop(mine, console.admin, {}), stop(theirs, second, {})

    assert "is going to sleep" in told[0]
    assert told[1] == f"{sandbox.reference} was going to sleep already; nothing was changed."
    assert SandboxEvent.objects.filter(sandbox=sandbox, new="suspending").count() == 1


def test_delete_wants_the_password_again(console: Console, sandbox: Sandbox) -> None:
    for method in (console.browser.get, console.browser.post):
        answer = method(one(sandbox, "delete/"), {"reference": sandbox.reference})
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/accounts/reauthenticate/?next=")
    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_giving_the_password_leads_on_to_the_question(console: Console, sandbox: Sandbox) -> None:
    asked = console.browser.get(one(sandbox, "delete/"))
    page = console.browser.post(asked.headers["Location"], {"password": make.PASSWORD}, follow=True)
    assert f"Delete {sandbox.reference}, with its data?" in page.content.decode()


def test_a_wrong_password_leads_nowhere(console: Console, sandbox: Sandbox) -> None:
    asked = console.browser.get(one(sandbox, "delete/"))
    page = console.browser.post(asked.headers["Location"], {"password": "wrong"})
    assert "That is not your password." in page.content.decode()
    assert console.browser.get(one(sandbox, "delete/")).status_code == 302


@pytest.mark.parametrize("typed", ["", "yes", "DELETE", "0" * 8])
def test_delete_wants_the_reference_typed(console: Console, sandbox: Sandbox, typed: str) -> None:
    console.prove()
    answer = console.browser.post(one(sandbox, "delete/"), {"reference": typed})
    assert answer.status_code == 422
    assert "That is not its reference." in answer.content.decode()
    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_delete_is_done_told_and_written_down(console: Console, sandbox: Sandbox) -> None:
    console.prove()
    page = console.post(one(sandbox, "delete/"), reference=sandbox.reference)
    settle(sandbox)
    assert sandbox.now is State.DELETED
    assert "is being deleted, with everything in it." in page
    assert last_act(sandbox).by == console.admin
    assert "It is gone" in console.get(one(sandbox))


def test_start_over_gives_the_owner_a_new_one(console: Console, sandbox: Sandbox) -> None:
    console.prove()
    page = console.post(one(sandbox, "start-over/"), reference=sandbox.reference)
    fresh = Sandbox.objects.get(owner=sandbox.owner, wanted="present")
    assert fresh.pk != sandbox.pk
    assert f"{fresh.reference} starts in its place for Ada Lovelace" in page
    assert last_act(fresh).by == console.admin


@pytest.mark.parametrize("name", ["stop", "start-over", "delete"])
def test_why_it_was_done_is_kept_among_its_events(console: Console, sandbox: Sandbox, name: str) -> None:
    console.prove()
    assert "Ada Lovelace reads it" in console.get(one(sandbox, f"{name}/"))

    console.post(
        one(sandbox, f"{name}/"), reference=sandbox.reference, reason=" The disk\tis full\x00\u202e. "
    )

    assert last_act(sandbox).detail == "The disk is full."
    assert "by Ana Ortiz, admin</span>; The disk is full;" in console.get(one(sandbox))
    settle(sandbox)
    sandbox.refresh_from_db()
    assert "disk" not in sandbox.detail


@pytest.mark.parametrize("name", ["stop", "delete"])
def test_nobody_has_to_say_why(console: Console, sandbox: Sandbox, name: str) -> None:
    console.prove()
    console.post(one(sandbox, f"{name}/"), reference=sandbox.reference)
    assert last_act(sandbox).detail == ""


def test_a_reason_is_no_longer_than_its_field(console: Console, sandbox: Sandbox) -> None:
    console.post(one(sandbox, "stop/"), reason="x" * 5000)
    assert last_act(sandbox).detail == "x" * acts.LONGEST_REASON


def test_a_wrong_reference_loses_no_reason(console: Console, sandbox: Sandbox) -> None:
    console.prove()
    answer = console.browser.post(one(sandbox, "delete/"), {"reference": "wrong", "reason": 'a "full" disk'})
    assert 'value="a &quot;full&quot; disk"' in answer.content.decode()


def test_wake_brings_a_sleeping_one_back(console: Console, sandbox: Sandbox) -> None:
    services.stop_sandbox(sandbox)
    settle(sandbox)
    page = console.post(one(sandbox, "wake/"))
    settle(sandbox)
    assert "is waking" in page
    assert sandbox.now is State.READY


def test_extend_says_until_when_and_the_hard_cap_is_told(console: Console, sandbox: Sandbox) -> None:
    assert "stays awake until" in console.post(one(sandbox, "extend/"))
    long_ago = timezone.now() - timedelta(hours=9, minutes=50)
    Sandbox.objects.filter(pk=sandbox.pk).update(
        begun_at=long_ago, expires_at=timezone.now() + timedelta(minutes=10)
    )
    page = console.post(one(sandbox, "extend/"))
    assert "This sandbox has been awake for nearly 10 hours" in page


def test_hold_and_let_go_are_written_down_with_the_reason(console: Console, sandbox: Sandbox) -> None:
    page = console.post(one(sandbox, "hold/"), minutes="60", reason="Group 2 goes on")
    sandbox.refresh_from_db()
    assert sandbox.held_until is not None
    assert timedelta(minutes=55) < sandbox.held_until - timezone.now() <= timedelta(minutes=60)
    assert "is held awake until" in page
    assert "Group 2 goes on" in page
    assert "UTC, by Ana Ortiz" in page

    page = console.post(one(sandbox, "let-go/"))

    assert "is not held any more" in page
    assert "Nobody holds it awake" in console.post(one(sandbox, "let-go/"))


@pytest.mark.parametrize("minutes", ["", "-5", "1e9", "99999999999999999999", "²"])
def test_a_hold_of_no_sensible_length_is_the_shortest(
    console: Console, sandbox: Sandbox, minutes: str
) -> None:
    console.post(one(sandbox, "hold/"), minutes=minutes)
    sandbox.refresh_from_db()
    assert sandbox.held_until is not None
    assert sandbox.held_until - timezone.now() <= timedelta(minutes=30)


def test_there_is_nothing_else_to_do(console: Console, sandbox: Sandbox) -> None:
    assert console.browser.get(one(sandbox, "explode/")).status_code == 404
    assert console.browser.post(one(sandbox, "explode/")).status_code == 404


def test_nothing_is_done_without_the_pages_token(console: Console, sandbox: Sandbox) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(console.admin)
    assert browser.post(one(sandbox, "stop/")).status_code == 403
    sandbox.refresh_from_db()
    assert sandbox.now is State.READY


def test_the_part_that_changes_keeps_what_its_machine_said(console: Console, sandbox: Sandbox) -> None:
    part = console.get(one(sandbox), **HTMX)
    assert "<html" not in part
    assert 'id="seen" hx-preserve="true"' in part
