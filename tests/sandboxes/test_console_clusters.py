"""The clusters' page: what each holds, what needs a person, and what an admin may ask of a cluster."""

import re
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from sandboxes import placement, provisioning, pulse, services, sweep
from sandboxes.backends.base import Spec, Tier
from sandboxes.console import places
from sandboxes.console.capacity import capacity
from sandboxes.console.machine import machine_of
from sandboxes.console.needs import LONG_DELETING
from sandboxes.errors import NotPossibleNow
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, PoolReservation, Sandbox, SandboxEvent
from tests import make
from tests.sandboxes.conftest import Use
from tests.sandboxes.rooms import HTMX, Console, made_up

pytestmark = pytest.mark.django_db
CLUSTERS = "/console/clusters/"


@pytest.fixture
def console(db: None) -> Console:
    return Console(make.admin("root", first_name="Ana", last_name="Ortiz"))


@pytest.fixture
def hall(db: None) -> Cluster:
    return Cluster.objects.create(name="hall")


def at(cluster: Cluster, what: str = "") -> str:
    return f"{CLUSTERS}{cluster.pk}/{what}"


def needs() -> list[str]:
    return [need.title for need in capacity().needs]


@pytest.fixture
def swept() -> None:
    pulse.swept()


# -- what is told ------------------------------------------------------------------------------------------


def test_a_site_without_clusters_says_when_there_will_be_one(console: Console) -> None:
    assert "The first one is made when a student presses Start" in console.get(CLUSTERS)


def test_a_cluster_is_told_with_what_it_holds_and_how_much_more_fits(console: Console, hall: Cluster) -> None:
    made_up(3, cluster=hall)
    made_up(2, cluster=hall, state=State.SUSPENDED)
    made_up(4, cluster=hall, state=State.DELETED)
    room = provisioning.backend_for(hall).room()

    page = console.get(CLUSTERS)

    for shown in ("5 sandboxes", "3 in use", "2 asleep", "strong", f"room for {room} more"):
        assert shown in page, shown
    assert f"{CLUSTERS[:9]}sandboxes/?cluster=hall&amp;state=asleep" in page


def test_its_picture_has_a_cell_for_each(hall: Cluster) -> None:
    made_up(7, cluster=hall)
    made_up(2, cluster=hall, state=State.FAILED)
    (place,) = capacity().places
    assert [(seat.kind.name, len(seat.cells)) for seat in place.seats if seat.kind] == [
        ("in-use", 7),
        ("failed", 2),
    ]
    assert place.each == 1


def test_a_picture_of_thousands_stays_a_picture_and_hides_none(hall: Cluster) -> None:
    made_up(3000, cluster=hall)
    made_up(1, cluster=hall, state=State.FAILED)
    (place,) = capacity().places
    cells = {seat.kind.name: len(seat.cells) for seat in place.seats if seat.kind}
    assert cells["failed"] == 1
    assert sum(cells.values()) <= places.CELLS + len(cells)
    assert place.each == 7


def test_a_thousand_more_cost_no_more_queries(hall: Cluster) -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as asked:
            capacity()
        return len(asked)

    made_up(5, cluster=hall)
    few = cost()
    made_up(1000, cluster=hall)
    assert cost() == few


def test_two_clusters_on_one_machine_share_its_room(hall: Cluster) -> None:
    room = provisioning.backend_for(hall).room()
    Cluster.objects.create(name="other")
    assert capacity().room == room
    Cluster.objects.update(open=False)
    assert capacity().room == 0


def test_memory_disk_and_load_are_told_of_this_machine_only(hall: Cluster) -> None:
    here = machine_of(Cluster(name="here", backend="local"))
    assert here is not None
    assert 0 < here.memory_free <= here.memory_bytes
    assert 0 < here.disk_free <= here.disk_bytes
    assert here.cores >= 1
    assert machine_of(Cluster(name="there", backend="memory")) is None


def test_reservations_are_told_with_who_asked_and_can_be_given_up(console: Console, hall: Cluster) -> None:
    page = console.post(at(hall, "reserve/"), profile="kafka-1", count="30", minutes="90", reason="Group 2")
    assert "30 kafka-1 are kept warm on hall until" in page
    assert "asked for by Ana Ortiz" in page
    assert "Group 2" in page

    made = PoolReservation.objects.get()
    page = console.post(f"/console/reservations/{made.pk}/release/")

    assert "is given up" in page
    assert "Group 2" not in page
    assert "had ended already" in console.post(f"/console/reservations/{made.pk}/release/")


def claimed(cluster: Cluster, count: int) -> None:
    """So many students were given a warm sandbox there, just now."""
    for sandbox in made_up(count, cluster=cluster):
        SandboxEvent.objects.create(
            sandbox=sandbox, kind="move", old="warm", new="binding", generation=1, actor="student"
        )


@pytest.mark.parametrize(
    ("used", "said", "on_the_button"),
    [
        (0, "30 kafka-1 on hall, none used yet", "Give it up"),
        (1, "29 of 30 kafka-1 on hall left", "Give it up"),
        (30, "All 30 kafka-1 on hall used", "Take it off the list"),
        (34, "All 30 kafka-1 on hall used", "Take it off the list"),
    ],
)
def test_a_reservation_is_told_with_what_is_left_of_it(
    console: Console, hall: Cluster, used: int, said: str, on_the_button: str
) -> None:
    console.post(at(hall, "reserve/"), profile="kafka-1", count="30", minutes="90", reason="")
    claimed(hall, used)

    page = console.get(CLUSTERS)
    given_up = console.post(f"/console/reservations/{PoolReservation.objects.get().pk}/release/")

    assert said in page
    assert on_the_button in page
    kept = max(0, 30 - used)
    assert f"The reservation of {f'{kept} of ' if used else ''}30 kafka-1 is given up" in given_up


def test_a_claim_is_taken_off_one_reservation_only(console: Console, hall: Cluster) -> None:
    for minutes, reason in (("90", "Group 2"), ("60", "Group 1")):
        console.post(at(hall, "reserve/"), profile="kafka-1", count="3", minutes=minutes, reason=reason)
    claimed(hall, 4)
    told = capacity()
    assert [(one.asked.reason, one.left) for one in told.reservations] == [("Group 1", 0), ("Group 2", 2)]
    assert told.pools[0].reserved == 2

    # Group 1 is over: what its students took is not asked back of Group 2.
    PoolReservation.objects.filter(reason="Group 1").update(until=timezone.now())
    assert [(one.asked.reason, one.left) for one in capacity().reservations] == [("Group 2", 2)]


def test_the_pool_is_told_as_it_is(console: Console, hall: Cluster) -> None:
    Sandbox.objects.bulk_create(
        Sandbox(owner=None, cluster=hall, state=state, frozen=state is State.WARM)
        for state in (State.WARM, State.WARM, State.PROVISIONING)
    )
    console.post(at(hall, "reserve/"), profile="kafka-1", count="9", minutes="60", reason="")
    (pool,) = capacity().pools
    assert (pool.wanted, pool.warm, pool.starting, pool.reserved) == (9, 2, 1, 9)
    assert "claimed, 1 h" in console.get(CLUSTERS)


def test_whoever_waits_is_told_with_place_and_estimate(console: Console, hall: Cluster) -> None:
    Cluster.objects.filter(pk=hall.pk).update(starts_at_once=1)
    waiting = [services.request_sandbox(make.student(first_name=name)) for name in ("Ada", "Edsger")]
    queue = capacity().queue
    assert [(waiter.place, waiter.sandbox.pk) for waiter in queue] == [
        (1, waiting[0].pk),
        (2, waiting[1].pk),
    ]
    page = console.get(CLUSTERS)
    assert page.index("Ada</a>") < page.index("Edsger</a>")
    assert "more</p>" in page


def test_failures_are_counted_by_cause_and_lead_to_the_sandboxes(console: Console, hall: Cluster) -> None:
    made = made_up(3, cluster=hall)
    for sandbox, cause, hours in ((made[0], "disk_full", 0), (made[1], "disk_full", 5), (made[2], "old", 30)):
        SandboxEvent.objects.create(
            sandbox=sandbox, kind="move", new="failed", cause=cause, detail="The disk is full.", generation=1,
            actor="worker", at=timezone.now() - timedelta(hours=hours),
        )  # fmt: skip
    (failure,) = capacity().failures
    assert (failure.cause, failure.hour, failure.day, failure.sandboxes) == ("disk_full", 1, 2, 2)
    page = console.get(CLUSTERS)
    assert "The disk is full." in page
    assert "?cause=disk_full" in page


def test_the_part_that_changes_comes_alone(console: Console, hall: Cluster) -> None:
    part = console.get(CLUSTERS, **HTMX)
    assert "<html" not in part
    assert 'id="capacity"' in part


# -- what needs a person -----------------------------------------------------------------------------------


def test_a_quiet_site_needs_nobody(console: Console, hall: Cluster, swept: None) -> None:
    assert needs() == []
    assert "Nothing does." in console.get(CLUSTERS)


def test_a_machine_that_is_away_comes_first_and_is_drawn_as_last_seen(
    console: Console, hall: Cluster, swept: None, use_backend: Use
) -> None:
    made_up(3, cluster=hall)
    made_up(1, cluster=hall, state=State.QUARANTINED)
    use_backend("UnreachableBackend")

    page = console.get(CLUSTERS)

    assert needs()[0] == "hall does not answer"
    assert "The sandbox host does not answer." in page
    assert 'class="cells unknown"' in page
    assert "as last seen" in page


def test_a_sweep_marks_its_end(hall: Cluster) -> None:
    assert pulse.since_sweep_s() is None
    sweep.sweep()
    since_s = pulse.since_sweep_s()
    assert since_s is not None
    assert since_s < pulse.OVERDUE_S


def test_a_sweep_that_stays_away_is_an_alarm(
    console: Console, hall: Cluster, swept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = time.time() + pulse.OVERDUE_S + 40
    monkeypatch.setattr(time, "time", lambda: later)
    assert needs() == ["The sweep is overdue"]


def test_a_sweep_of_which_nothing_is_known_is_said_to_be_unknown(console: Console, hall: Cluster) -> None:
    cache.clear()
    assert needs() == ["No sweep seen yet"]
    assert "not seen yet" in console.get(CLUSTERS)


def test_what_will_not_end_is_named_and_quarantine_comes_before_patience(hall: Cluster, swept: None) -> None:
    long_ago = timezone.now() - LONG_DELETING - timedelta(minutes=1)
    (slow,) = made_up(1, cluster=hall, state=State.DELETING, state_since=long_ago)
    (held,) = made_up(1, cluster=hall, state=State.QUARANTINED)
    made_up(1, cluster=hall, state=State.DELETING)
    assert needs() == [f"{held.reference} is quarantined", f"{slow.reference} will not end"]


def test_programs_that_are_not_held_well_need_somebody(
    hall: Cluster, swept: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provisioning.backend_for(hall), "isolation", Tier.LIMITS_ONLY)
    assert needs() == ["hall: limits only"]


@pytest.mark.logs("sweep.orphan")
def test_what_ran_without_a_row_is_removed_and_told(console: Console, hall: Cluster) -> None:
    orphan = uuid.uuid4().hex
    provisioning.backend_for(hall).ensure(Spec(sandbox_id=orphan))

    sweep.sweep()

    assert [found.hex for found in pulse.orphans()] == [orphan]
    assert orphan[:8] in console.get(CLUSTERS)


# -- what may be asked -------------------------------------------------------------------------------------


def test_a_closed_cluster_takes_nothing_new_and_keeps_what_it_has(console: Console, hall: Cluster) -> None:
    first = services.request_sandbox(make.student())

    page = console.post(at(hall, "close/"))

    assert "hall takes no new sandboxes from now on." in page
    assert "Every cluster is closed" in page
    with pytest.raises(NotPossibleNow, match="No new sandboxes are started"):
        services.request_sandbox(make.student())
    first.refresh_from_db()
    assert first.now is State.QUEUED
    assert "was closed already" in console.post(at(hall, "close/"))


def test_an_opened_cluster_takes_new_ones_again(console: Console, hall: Cluster) -> None:
    console.post(at(hall, "close/"))
    assert "takes new sandboxes again" in console.post(at(hall, "open/"))
    assert services.request_sandbox(make.student()).cluster == hall


def test_a_student_is_told_while_every_cluster_is_closed(console: Console, hall: Cluster) -> None:
    console.post(at(hall, "close/"))
    browser = Client()
    browser.force_login(make.student())
    panel = browser.post("/sandbox/start/", headers=HTMX).content.decode()
    assert "No new sandboxes are started at the moment." in panel
    assert not Sandbox.objects.exists()


def test_a_student_is_told_before_start_that_every_cluster_is_closed_and_when_it_opens(
    console: Console, hall: Cluster
) -> None:
    browser = Client()
    browser.force_login(make.student())

    def panel() -> str:
        return browser.get("/sandbox/", headers=HTMX).content.decode()

    assert "It starts in about" in panel()

    console.post(at(hall, "close/"))
    assert "ask your instructor when it opens again" in panel()
    assert "It starts in about" not in panel()
    assert 'id="sandbox-start"' not in panel()
    assert "every 20s" in panel()

    console.post(at(hall, "open/"))
    assert 'id="sandbox-start"' in panel()


def test_closing_the_only_open_cluster_asks_first_and_says_what_it_means(
    console: Console, hall: Cluster
) -> None:
    other = Cluster.objects.create(name="attic", backend=hall.backend)
    assert "is the only open one" not in console.get(CLUSTERS)
    assert "No cluster is open now" not in console.post(at(other, "close/"))
    assert "hall is the only open one." in console.get(CLUSTERS)

    page = console.post(at(hall, "close/"))

    assert "No cluster is open now: whoever presses Start is told so." in page
    assert "more once it is open" in page
    assert "never a refusal" not in page


def test_how_many_start_at_once_is_set_and_told(console: Console, hall: Cluster) -> None:
    assert "hall starts 7 at once" in console.post(at(hall, "starts/"), starts="7")
    assert "Starts 7 at once" in console.get(CLUSTERS)
    console.get(at(hall))


def test_what_was_done_to_a_cluster_is_kept_with_who_did_it(console: Console, hall: Cluster) -> None:
    assert "What was done to it" not in console.get(at(hall))
    console.post(at(hall, "starts/"), starts="7")
    console.post(at(hall, "reserve/"), profile="kafka-1", count="30", minutes="90", reason="<b>Group 2</b>")
    console.post(f"/console/reservations/{PoolReservation.objects.get().pk}/release/")
    for what in ("close/", "close/", "open/"):
        console.post(at(hall, what))

    told = [(event.what, re.split(" until |,", event.said)[0], str(event.by)) for event in hall.events.all()]
    page = console.get(at(hall))

    assert told == [
        ("starts", "Starts 7 at once", "Ana Ortiz"),
        ("reserve", "Reserved 30 kafka-1", "Ana Ortiz"),
        ("release", "Gave up 30 kafka-1", "Ana Ortiz"),
        ("close", "Closed to new sandboxes", "Ana Ortiz"),
        ("open", "Opened to new sandboxes", "Ana Ortiz"),
    ]
    assert page.index("Opened to new") < page.index("Closed to new") < page.index("Starts 7 at once</th>")
    assert "&lt;b&gt;Group 2&lt;/b&gt;</th>" in page


@pytest.mark.parametrize("cores", [1, 2, 8])
def test_what_is_left_to_the_cores_is_said_as_the_number_it_comes_to(
    console: Console, hall: Cluster, monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    monkeypatch.setattr("sandboxes.placement.usable_cores", lambda: cores)
    Cluster.objects.update(starts_at_once=5)

    said = console.post(at(hall, "starts/"), starts="0")

    many = f"{placement.at_once_on(cores)} at once"
    assert f"leaves it to the cores from now on: {many}." in said
    assert hall.events.get().said == f"Leaves to the cores how many start: {many}"


def test_what_is_refused_is_not_noted(console: Console, hall: Cluster) -> None:
    console.post(at(hall, "starts/"), starts="65")
    console.post(at(hall, "reserve/"), profile="kafka-9", count="1", minutes="90", reason="")
    assert not hall.events.exists()


@pytest.mark.parametrize("starts", ["", "-1", "65", "many", "9" * 30])
def test_a_number_of_starts_that_makes_no_sense_is_refused(
    console: Console, hall: Cluster, starts: str
) -> None:
    assert "Give a number from 0 to 64" in console.post(at(hall, "starts/"), starts=starts)
    hall.refresh_from_db()
    assert hall.starts_at_once == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"count": "0"}, "Reserve from 1 to"),
        ({"count": "501"}, "Reserve from 1 to"),
        ({"minutes": "100000"}, "for at most a day"),
        ({"profile": "kafka-9"}, "no profile called kafka-9"),
    ],
)
def test_a_reservation_that_makes_no_sense_is_refused(
    console: Console, hall: Cluster, given: dict[str, str], said: str
) -> None:
    asked = {"profile": "kafka-1", "count": "3", "minutes": "30", "reason": ""} | given
    assert said in console.post(at(hall, "reserve/"), **asked)
    assert not PoolReservation.objects.exists()


def test_there_is_no_other_cluster_and_nothing_else_to_ask(console: Console, hall: Cluster) -> None:
    assert console.browser.get(f"{CLUSTERS}999/").status_code == 404
    assert console.browser.post(at(hall, "burn/")).status_code == 404
    assert console.browser.post("/console/reservations/999/release/").status_code == 404


def test_sandboxes_that_were_given_up_need_somebody_and_are_told_by_cause(
    console: Console, hall: Cluster, swept: None
) -> None:
    failed: dict[str, Any] = {
        "cluster": hall,
        "state": State.FAILED,
        "failure_sentence": "Your Kafka broker stopped.",
    }
    made_up(1, retry_at=timezone.now() + timedelta(seconds=20), failure_cause="broker_silent", **failed)
    full = made_up(1, failure_cause="disk_full", **failed)[0]
    made_up(2, failure_cause="broker_exited", **failed)

    found = [need for need in capacity().needs if "given up" in need.title]

    assert [(need.title, need.mark, need.link) for need in found] == [
        ("2 sandboxes were given up", "bad", "?state=failed&cause=broker_exited"),
        (f"{full.reference} was given up", "warn", f"{full.pk}/"),
    ]
    assert "Its owner put in more than it may hold (disk_full)" in found[1].sentence
    assert "Nothing does." not in console.get(CLUSTERS)


def test_many_old_ones_given_up_hide_no_new_cause_and_are_all_counted(
    console: Console, hall: Cluster, swept: None
) -> None:
    long_ago = timezone.now() - timedelta(days=3)
    made_up(205, cluster=hall, state=State.FAILED, failure_cause="disk_full", state_since=long_ago)
    made_up(1, cluster=hall, state=State.FAILED, failure_cause="broker_exited")

    found = [need for need in capacity().needs if "given up" in need.title]

    assert [need.mark for need in found] == ["bad", "warn"]
    assert found[1].title == "205 sandboxes were given up"


def test_a_failure_that_is_the_students_own_doing_is_marked_so(console: Console, hall: Cluster) -> None:
    for sandbox, cause in zip(
        made_up(2, cluster=hall), ("too_many_partitions", "broker_exited"), strict=True
    ):
        SandboxEvent.objects.create(
            sandbox=sandbox, kind="move", new="failed", cause=cause, detail="It stopped.", generation=1,
            actor="worker",
        )  # fmt: skip

    assert {one.cause: one.is_owners for one in capacity().failures} == {
        "too_many_partitions": True,
        "broker_exited": False,
    }
    page = console.get(CLUSTERS)
    assert page.count("own doing</th>") == 1
    assert "own mistake is never here" not in page
