"""The panel in each state, and files and faults over HTTP; who may ask is in the permission matrix."""

import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from sandboxes import limits, provisioning, reconcile, services
from sandboxes.backends.base import BackendError, Fault, Tier
from sandboxes.lifecycle import LEAVING, State
from sandboxes.models import FaultRecord, Sandbox, SandboxEvent
from tests import make
from tests.sandboxes import doubles
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox, settle

pytestmark = pytest.mark.django_db
HTMX = {"hx-request": "true"}
FILE = "/sandbox/files/first-events/producer.py"


@pytest.fixture
def page(client: Client, ada: User) -> Client:
    client.force_login(ada)
    return client


def put(page: Client, text: object, base_version: object = None, path: str = FILE) -> Any:
    body = json.dumps({"text": text, "base_version": base_version})
    return page.put(path, body, content_type="application/json")


def panel_of(page: Client) -> str:
    return page.get("/sandbox/").content.decode()


def in_state(sandbox: Sandbox, state: State, **fields: object) -> None:
    Sandbox.objects.filter(pk=sandbox.pk).update(state=state, **fields)


def test_a_student_without_a_sandbox_is_offered_one(page: Client) -> None:
    panel = panel_of(page)

    assert 'data-state="none"' in panel
    assert 'data-sandbox=""' in panel
    assert "Too few starts here yet to measure" in panel


def test_start_answers_with_a_place_and_an_estimate(page: Client, ada: User) -> None:
    panel = page.post("/sandbox/start/", headers=HTMX).content.decode()

    assert f'data-sandbox="{Sandbox.objects.get(owner=ada).pk}"' in panel
    assert "You are first in the queue" in panel
    assert "every 2s" in panel


def test_a_start_shows_its_stages(page: Client, ada: User, use_backend: Use) -> None:
    use_backend("NeverBackend")
    sandbox = services.request_sandbox(ada)
    reconcile.reconcile(sandbox.pk)
    panel = panel_of(page)

    assert 'class="st starting"' in panel
    assert '<li class="now"><i class="state wait" aria-hidden="true"></i><span>The broker</span>' in panel
    assert "Stop the start" in panel


def test_a_start_that_takes_too_long_says_so(page: Client, ada: User, use_backend: Use) -> None:
    use_backend("NeverBackend")
    sandbox = services.request_sandbox(ada)
    reconcile.reconcile(sandbox.pk)
    Sandbox.objects.update(begun_at=timezone.now() - timedelta(seconds=20))

    assert "It takes longer than usual" in panel_of(page)


@pytest.mark.parametrize("state", State)
def test_every_state_has_a_panel_and_a_word_for_the_header(page: Client, ada: User, state: State) -> None:
    sandbox = ready_sandbox(ada)
    wanted = "absent" if state in LEAVING else "present"
    in_state(sandbox, state, wanted=wanted, failure_sentence="It broke.", failure_cause="x")

    panel = panel_of(page)
    assert 'data-word=""' not in panel
    # On its way out it is nobody's live sandbox any more, so a new one is offered.
    assert f'data-state="{"none" if state in LEAVING else state}"' in panel


def test_a_resting_panel_does_not_ask_by_the_clock(page: Client, ada: User) -> None:
    ready_sandbox(ada)

    panel = panel_of(page)

    assert "every 2s" not in panel
    assert "sandbox:changed from:body" in panel


def test_a_failure_comes_with_a_sentence_a_next_step_and_a_reference(
    page: Client, ada: User, use_backend: Use
) -> None:
    use_backend("CrashLoopBackend")
    sandbox = services.request_sandbox(ada)
    settle(sandbox)

    panel = panel_of(page)

    assert "The broker ended while it was starting." in panel
    assert "Try now" in panel
    assert "We try again by ourselves at" in panel
    assert f"<code>{sandbox.reference}</code>" in panel


@pytest.mark.parametrize(("tier", "words"), [(Tier.LIMITS_ONLY, "limits only"), (Tier.OFF, "Isolation: off")])
def test_weak_isolation_is_said_in_red(
    page: Client, ada: User, tier: Tier, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = ready_sandbox(ada)
    monkeypatch.setattr(provisioning.backend_for(sandbox), "isolation", tier)

    panel = panel_of(page)

    assert words in panel
    assert 'id="tier"' in panel


@pytest.mark.parametrize(("tier", "words"), [(Tier.LIMITS_ONLY, "limits only"), (Tier.OFF, "Isolation: off")])
def test_weak_isolation_is_said_calmly_where_one_starts(
    page: Client, tier: Tier, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning.backend_for(None), "isolation", tier)

    panel = panel_of(page)

    assert words in panel
    assert 'class="state warn"' in panel
    assert panel.index('data-do="start"') < panel.index('id="tier"')


def test_strong_isolation_needs_no_banner(page: Client, ada: User) -> None:
    assert 'id="tier"' not in panel_of(page)
    ready_sandbox(ada)

    assert 'id="tier"' not in panel_of(page)


def test_of_isolation_that_nobody_can_tell_nothing_is_said_before_a_start(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> Tier:
        raise BackendError("The sandbox host does not answer at the moment.", retryable=True)

    monkeypatch.setattr(type(provisioning.backend_for(None)), "tier", away)

    assert 'data-do="start"' in panel_of(page)
    assert 'id="tier"' not in panel_of(page)


def test_a_refusal_is_a_sentence_on_the_panel(page: Client, ada: User) -> None:
    ready_sandbox(ada)
    doubles.forget_everything()
    sandbox = Sandbox.objects.get(owner=ada)
    settle(sandbox)

    panel = page.post("/sandbox/start/", headers=HTMX).content.decode()

    assert '<p class="banner" role="alert">The data of your sandbox is not there any more.' in panel


def test_a_plain_form_goes_back_to_its_own_page_only(page: Client) -> None:
    own = page.post("/sandbox/start/", headers={"referer": "http://testserver/lessons/x/"})
    foreign = page.post("/sandbox/start/", headers={"referer": "http://testserver.evil.example/"})

    assert own["Location"] == "http://testserver/lessons/x/"
    assert foreign["Location"] == "/"


def test_the_buttons_do_what_they_say(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)

    states = []
    for button in ("stop", "resume", "start-over", "delete"):
        page.post(f"/sandbox/{button}/", headers=HTMX)
        settle(sandbox, *Sandbox.objects.all())
        states.append(sandbox.state)

    assert states == ["suspended", "ready", "deleted", "deleted"]
    assert not Sandbox.objects.exclude(state=State.DELETED).exists()


@pytest.mark.parametrize("what", ["stop", "resume", "delete", "start-over", "extend"])
def test_asking_something_of_a_sandbox_that_is_not_there_shows_the_offer(page: Client, what: str) -> None:
    answer = page.post(f"/sandbox/{what}/", headers=HTMX)

    assert 'data-state="none"' in answer.content.decode()


def test_why_says_what_last_counted(page: Client, ada: User) -> None:
    ready_sandbox(ada)
    put(page, "print(1)")

    why = page.get("/sandbox/why/").content.decode()

    assert "a file was changed" in why
    assert "30 min after its last use" in why


def test_why_tells_its_story_in_plain_words_with_how_long_each_thing_was(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    for old, new, took in (("", "kafka", 0), ("kafka", "probe", 1.5), ("probe", "", 0.25)):
        SandboxEvent.objects.create(
            sandbox=sandbox, at=timezone.now(), kind="stage", old=old, new=new, generation=1,
            actor="worker", took_s=took,
        )  # fmt: skip
    SandboxEvent.record(sandbox, old="warm", at=timezone.now(), actor="student", took_s=122.41)

    why = page.get("/sandbox/why/").content.decode()

    assert "its Kafka is asked to answer <small>before: its broker starts, 1.50 s</small>" in why
    assert "its Kafka has answered <small>before: its Kafka is asked to answer, 0.25 s</small>" in why
    assert "ready, by its owner <small>before: kept warm, 2 min</small>" in why
    assert "stage: " not in why


def test_a_panel_costs_few_queries(
    page: Client, ada: User, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    sandbox = ready_sandbox(ada)
    with django_assert_max_num_queries(3):  # session, user, sandbox with its cluster
        panel_of(page)
    services.extend(sandbox, by=make.admin("root"))
    with django_assert_max_num_queries(4):  # and what staff did
        assert "An admin gave your sandbox more time" in panel_of(page)
    SandboxEvent.objects.all().delete()
    services.inject_fault(sandbox, Fault(kind="latency", ms=400), seconds=20)
    with django_assert_max_num_queries(4):  # and faults
        assert "The network is slow on purpose" in panel_of(page)


def test_a_file_is_written_read_and_removed(page: Client, ada: User) -> None:
    ready_sandbox(ada)

    saved = put(page, "print('hello')").json()
    read = page.get(FILE).json()
    listed = page.get("/sandbox/files/").json()["files"]
    removed = page.delete(FILE)

    assert read == {"path": "first-events/producer.py", "text": "print('hello')", "version": saved["version"]}
    assert "first-events/producer.py" in [entry["path"] for entry in listed]
    assert removed.status_code == 204
    assert page.get(FILE).status_code == 404


def test_saving_over_somebody_elses_change_is_a_conflict_that_shows_it(page: Client, ada: User) -> None:
    ready_sandbox(ada)
    opened = put(page, "one").json()["version"]
    put(page, "two", opened)

    answer = put(page, "three", opened)

    assert answer.status_code == 409
    assert answer.json()["text"] == "two"
    assert answer.json()["version"] != opened
    assert "changed elsewhere" in answer.json()["sentence"]


@pytest.mark.parametrize("path", ["../secret", "/etc/passwd", "a/../../b", "a/", "x\0y"])
def test_a_path_that_leaves_the_workspace_is_refused(page: Client, ada: User, path: str) -> None:
    ready_sandbox(ada)

    answer = put(page, "x", path=f"/sandbox/files/{quote(path, safe='')}")

    assert answer.status_code in {400, 404}


@pytest.mark.parametrize(
    "body",
    ["", "[]", "nonsense", '{"text": 5}', '{"text": "x", "base_version": 7}', "[" * 5000, "x" * 2_000_000],
)
def test_a_request_that_cannot_be_read_is_a_sentence(page: Client, ada: User, body: str) -> None:
    ready_sandbox(ada)

    answer = page.put(FILE, body, content_type="application/json")

    assert answer.status_code == 400
    assert answer.json()["sentence"]


def test_a_file_that_is_too_large_is_refused(page: Client, ada: User) -> None:
    ready_sandbox(ada)

    answer = put(page, "x" * 300_000)

    assert answer.status_code == 400
    assert "256 KiB" in answer.json()["sentence"]


def test_edsger_sees_nothing_of_adas_files(page: Client, ada: User, edsger: User, client: Client) -> None:
    ready_sandbox(ada)
    put(page, "private")
    ready_sandbox(edsger)

    client.force_login(edsger)

    assert client.get(FILE).status_code == 404


def test_files_need_a_sandbox_that_runs(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.stop_sandbox(sandbox)
    settle(sandbox)

    answer = page.get(FILE)

    assert (answer.status_code, answer.json()["sentence"]) == (
        409,
        "Your sandbox is not running. Press Start.",
    )


def test_a_backend_that_does_not_answer_is_ours_not_theirs(page: Client, ada: User, use_backend: Use) -> None:
    ready_sandbox(ada)
    use_backend("UnreachableBackend")

    answer = page.get(FILE)

    assert answer.status_code == 503
    assert "Traceback" not in answer.content.decode()


def test_a_fault_of_the_deck_is_made_with_a_deadline(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)

    answer = page.post(
        "/sandbox/faults/latency/", '{"seconds": 5, "ms": 300, "node": 1}', content_type="application/json"
    )

    assert answer.status_code == 201
    record = FaultRecord.objects.get(sandbox=sandbox)
    assert (record.kind, record.ms, record.node) == ("latency", 300, 1)


def test_an_owner_takes_a_fault_out_before_its_time(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    page.post("/sandbox/faults/latency/", "{}", content_type="application/json")
    assert "Undo it now" in page.get("/sandbox/").content.decode()

    answer = page.post("/sandbox/faults/latency/undo/", headers={"Accept": "application/json"})

    assert answer.status_code == 204
    assert FaultRecord.objects.get(sandbox=sandbox).undone_at is not None
    told = SandboxEvent.objects.filter(sandbox=sandbox, kind="fault", old="latency").get()
    assert told.actor == "student"
    assert (
        page.post("/sandbox/faults/latency/undo/", headers={"Accept": "application/json"}).status_code == 204
    )


def test_only_a_fault_that_stops_the_broker_is_named_as_what_keeps_it_down(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    page.post("/sandbox/faults/latency/", "{}", content_type="application/json")
    sandbox.refresh_from_db()
    sandbox.move_to(State.DEGRADED, actor="worker", detail="Your broker does not answer.")
    because = "The broker is down because of the fault that is in."
    assert because not in panel_of(page)
    assert "Your broker does not answer. It is being repaired" in panel_of(page)

    services.inject_fault(sandbox, Fault(kind="broker_stop"), seconds=20)
    assert because in panel_of(page)


def test_undoing_on_the_panel_answers_with_the_panel(page: Client, ada: User) -> None:
    ready_sandbox(ada)
    page.post("/sandbox/faults/latency/", "{}", content_type="application/json")

    answer = page.post("/sandbox/faults/latency/undo/", headers={"HX-Request": "true"}).content.decode()

    assert 'id="sandbox-panel"' in answer
    assert "Undo it now" not in answer


def test_what_a_lab_broke_is_not_undone_by_hand(page: Client, ada: User) -> None:
    sandbox = ready_sandbox(ada)
    services.inject_fault(sandbox, Fault(kind="latency", ms=200), seconds=20, actor="check")

    answer = page.post("/sandbox/faults/latency/undo/", headers={"Accept": "application/json"})

    assert answer.status_code == 409
    assert "ends with the lab" in answer.json()["sentence"]
    assert FaultRecord.objects.get(sandbox=sandbox).undone_at is None
    assert "Undo it now" not in page.get("/sandbox/").content.decode()


def test_an_unknown_fault_is_refused(page: Client, ada: User) -> None:
    ready_sandbox(ada)

    assert page.post("/sandbox/faults/earthquake/", "{}", content_type="application/json").status_code == 404


def test_hammering_save_is_answered_with_when_to_come_back(
    page: Client, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_sandbox(ada)
    monkeypatch.setattr(limits, "_count", lambda uses: [limits.SAVE.times + 1] * len(uses))

    answer = put(page, "x")

    assert answer.status_code == 429
    assert 1 <= int(answer["Retry-After"]) <= limits.SAVE.window_s + 1
    assert "save a file" in answer.json()["sentence"]


def test_hammering_start_is_answered_with_when_to_come_back(
    page: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sandboxes.limits.time.time", lambda: 1_000_000_010.0)  # no minute ends meanwhile
    answers = [page.post("/sandbox/start/", headers=HTMX) for _ in range(limits.START.times + 1)]

    assert [answer.status_code for answer in answers[:-1]] == [200] * limits.START.times
    assert answers[-1].status_code == 429
    assert 1 <= int(answers[-1]["Retry-After"]) <= limits.START.window_s + 1
    assert "Try again in" in answers[-1].content.decode()
    assert 'id="sandbox-panel"' in answers[-1].content.decode()
    assert Sandbox.objects.count() == 1
