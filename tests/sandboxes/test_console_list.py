"""Every sandbox as a list: what is found, in which order, how many there are, and what it costs to ask."""

import itertools
import re
import time
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from sandboxes import provisioning
from sandboxes.backends.base import Backend, Usage
from sandboxes.console import usage
from sandboxes.console.fleet import PER_PAGE, fleet
from sandboxes.console.question import SORTS, Question
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent
from tests import make
from tests.sandboxes.conftest import Use
from tests.sandboxes.driving import ready_sandbox
from tests.sandboxes.rooms import HTMX, Console, made_up

pytestmark = pytest.mark.django_db
LIST = "/console/sandboxes/"


@pytest.fixture
def console(db: None) -> Console:
    return Console(make.admin("root", first_name="Ana", last_name="Ortiz"))


@pytest.fixture
def hall(db: None) -> Cluster:
    return Cluster.objects.create(name="hall")


def references(page: str) -> list[str]:
    """The sandboxes of a page, in its order."""
    return re.findall(r'<a id="s-([0-9a-f]{8})', page)


def test_a_sandbox_is_shown_with_its_owner_its_state_and_what_it_uses(console: Console) -> None:
    ada = make.student("ada", first_name="Ada", last_name="Lovelace")
    sandbox = ready_sandbox(ada)

    page = console.get(LIST)

    assert references(page) == [sandbox.reference]
    for shown in ("Ada Lovelace", "in use", "kafka-1", "this machine", "130 MiB", "it was started"):
        assert shown in page


def test_what_is_said_by_others_is_text(console: Console) -> None:
    ada = make.student("ada", first_name="<script>alert(1)</script>")
    made = Sandbox.objects.create(owner=ada, state=State.FAILED, failure_sentence="<img src=x onerror=y>")

    page = console.get(LIST) + console.get(f"{LIST}{made.pk}/") + console.get(f"{LIST}?q=<script>x")

    assert "<script>alert" not in page
    assert "<script>x" not in page
    assert "<img src=x" not in page


def test_an_empty_site_says_what_will_come(console: Console) -> None:
    assert "The first one appears here when a student presses Start" in console.get(LIST)


@pytest.mark.parametrize(
    "asked",
    [
        "q=love",
        "q=ADA",
        "q=ada love",
        "owner=ada",
        "cluster=hall",
        "cause=disk_full",
        "q=disk_full",
        "state=failed",
    ],
)
def test_one_is_found_among_others(console: Console, hall: Cluster, asked: str) -> None:
    made_up(3, cluster=Cluster.objects.create(name="elsewhere"))
    ada = make.student("ada", first_name="Ada", last_name="Lovelace")
    hers = Sandbox.objects.create(owner=ada, cluster=hall, state=State.FAILED, failure_cause="disk_full")

    assert references(console.get(f"{LIST}?{asked}")) == [hers.reference]


def test_it_is_found_by_its_reference_and_by_its_full_name(console: Console) -> None:
    made = made_up(30)[7]
    for word in (made.reference, str(made.pk), made.hex, made.reference.upper()):
        assert references(console.get(f"{LIST}?q={word}")) == [made.reference]


def failed(cause: str, *, ago: timedelta, state: State = State.READY) -> Sandbox:
    """A sandbox that failed some time ago and is in another state by now."""
    (made,) = made_up(1, state=state)
    SandboxEvent.objects.create(
        sandbox=made, kind="move", new="failed", cause=cause, at=timezone.now() - ago, generation=1,
        actor="worker",
    )  # fmt: skip
    return made


def test_a_cause_finds_what_failed_of_it_today_also_what_is_well_or_gone_by_now(console: Console) -> None:
    well = failed("disk_full", ago=timedelta(hours=3))
    gone = failed("disk_full", ago=timedelta(hours=4), state=State.DELETED)
    failed("disk_full", ago=timedelta(days=2))
    failed("kafka_timeout", ago=timedelta(hours=1))

    found = references(console.get(f"{LIST}?cause=disk_full"))

    assert sorted(found) == sorted([well.reference, gone.reference])


def test_nothing_found_offers_all(console: Console) -> None:
    made_up(2)
    assert "Show all 2" in console.get(f"{LIST}?q=nobody-is-called-that")


@pytest.mark.parametrize(
    "asked", ["page=0", "page=-1", "page=x", "page=99999", "page=" + "9" * 400, "page=²"]
)
def test_a_page_that_is_not_there_is_one_that_is(console: Console, asked: str) -> None:
    made_up(3)
    assert len(references(console.get(f"{LIST}?{asked}"))) == 3


@pytest.mark.parametrize(
    "asked", ["sort=password", "state=nonsense", "sort=--used", "q=%00", "q=" + "a+" * 300]
)
def test_nonsense_in_the_address_does_no_harm(console: Console, asked: str) -> None:
    made_up(1)
    console.get(f"{LIST}?{asked}")


def test_kinds_are_counted_and_frozen_is_told_from_in_use(console: Console) -> None:
    made_up(3)
    made_up(2, frozen=True)
    made_up(1, state=State.FAILED)
    counted = {facet.kind.name: facet.count for facet in fleet(Question()).facets}

    assert counted == {"in-use": 3, "frozen": 2, "failed": 1}
    assert len(references(console.get(f"{LIST}?state=frozen"))) == 2
    assert len(references(console.get(f"{LIST}?state=in-use"))) == 3


def test_counts_are_of_what_was_asked_for(hall: Cluster) -> None:
    made_up(3, cluster=hall)
    made_up(2, cluster=Cluster.objects.create(name="other"), state=State.FAILED)
    found = fleet(Question(cluster="hall", kind="in-use"))
    assert [(facet.kind.name, facet.count) for facet in found.facets] == [("in-use", 3)]
    assert (found.total, found.everything) == (3, 5)


def test_what_is_gone_is_listed_for_whoever_asks_for_it(console: Console) -> None:
    gone = made_up(1, state=State.DELETED)[0]
    there = made_up(1)[0]
    assert references(console.get(LIST)) == [there.reference]
    assert "and 1 deleted that is not listed" in console.get(LIST)
    asked = console.get(f"{LIST}?state=deleted")
    assert references(asked) == [gone.reference]
    assert "not listed" not in asked


def test_every_state_has_a_word(console: Console) -> None:
    for state in State:
        made_up(1, state=state)
    assert sum(facet.count for facet in fleet(Question()).facets) == len(State)


@pytest.mark.parametrize("name", [name for name in SORTS if SORTS[name][1]])
def test_every_order_can_be_turned_round_and_loses_nobody(name: str) -> None:
    made = made_up(5)
    made_up(2, last_activity_at=None)
    forth = [row.sandbox.pk for row in fleet(Question(sort=name)).rows]
    back = [row.sandbox.pk for row in fleet(Question(sort=f"-{name}")).rows]
    assert sorted(forth) == sorted(back)
    assert len(forth) == len(made) + 2


def test_the_one_used_last_comes_first_and_the_never_used_ones_last() -> None:
    now = timezone.now()
    (never,) = made_up(1, last_activity_at=None)
    (old,) = made_up(1, last_activity_at=now - timedelta(hours=1))
    (new,) = made_up(1, last_activity_at=now)
    assert [row.sandbox.pk for row in fleet(Question(sort="used")).rows] == [new.pk, old.pk, never.pk]
    assert [row.sandbox.pk for row in fleet(Question(sort="-used")).rows] == [old.pk, new.pk, never.pk]


def test_the_largest_comes_first_and_the_unknown_last(monkeypatch: pytest.MonkeyPatch) -> None:
    small, large, unknown = made_up(3)
    readings = {
        small.hex: usage.Reading(memory_bytes=1, cores=0.5, disk_bytes=0, processes=1),
        large.hex: usage.Reading(memory_bytes=9, cores=0.1, disk_bytes=0, processes=1),
    }
    monkeypatch.setattr("sandboxes.console.fleet.readings", lambda _: usage.Readings(at=0.0, by_hex=readings))

    def order(sort: str) -> list[object]:
        return [row.sandbox.pk for row in fleet(Question(sort=sort)).rows]

    assert order("memory") == [large.pk, small.pk, unknown.pk]
    assert order("-memory") == [small.pk, large.pk, unknown.pk]
    assert order("cores") == [small.pk, large.pk, unknown.pk]


def test_pages_hold_everybody_once(console: Console) -> None:
    made = made_up(PER_PAGE * 2 + 5)
    pages = [references(console.get(f"{LIST}?page={page}")) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [PER_PAGE, PER_PAGE, 5]
    assert sorted(itertools.chain(*pages)) == sorted(sandbox.reference for sandbox in made)


@pytest.mark.parametrize("asked", ["", "sort=memory", "q=made&state=in-use&page=2"])
def test_three_thousand_cost_as_many_queries_as_three(
    console: Console, django_assert_num_queries: DjangoAssertNumQueries, asked: str
) -> None:
    made_up(60)
    console.get(f"{LIST}?{asked}")
    with django_assert_num_queries(8 if "memory" in asked else 7) as few:
        console.get(f"{LIST}?{asked}")
    made_up(3000)
    with django_assert_num_queries(len(few.captured_queries)):
        console.get(f"{LIST}?{asked}")


def test_htmx_gets_the_part_that_changes(console: Console) -> None:
    part = console.get(LIST, **HTMX)
    assert part.lstrip().startswith("<div")
    assert "<html" not in part
    assert "<html" in console.get(LIST)


def test_neither_part_nor_page_is_kept_by_a_cache(console: Console) -> None:
    answer = console.browser.get(LIST)
    assert "no-store" in answer["Cache-Control"]
    assert "HX-Request" in answer["Vary"]


def test_what_is_asked_again_is_what_was_asked(console: Console) -> None:
    made_up(1)
    part = console.get(f"{LIST}?q=made&sort=-memory&state=in-use", **HTMX)
    again = re.search(r'hx-get="([^"]+)"', part)
    assert again is not None
    assert Question.of(dict(pair.split("=") for pair in again[1].split("?")[1].split("&amp;"))) == Question(
        words="made", kind="in-use", sort="-memory"
    )


# -- what they use -----------------------------------------------------------------------------------------


def test_a_backend_is_asked_once_in_ten_seconds(use_backend: Use, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def noted(backend: Backend) -> dict[str, Usage]:
        asked.append("usage")
        return {}

    monkeypatch.setattr(type(provisioning.backend_for(None)), "usage", noted)
    clusters = [Cluster.objects.create(name=name) for name in ("a", "b")]

    for _ in range(5):
        usage.readings(clusters)

    assert len(asked) == 1


def test_cores_are_not_claimed_before_there_are_two_readings(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = ready_sandbox(make.student())
    first = usage.readings([sandbox.cluster]).by_hex[sandbox.hex]
    at = time.time()
    monkeypatch.setattr(time, "time", lambda: at + 20)

    second = usage.readings([sandbox.cluster]).by_hex[sandbox.hex]

    assert first.cores is None
    assert second.cores is not None
    assert second.cores >= 0


@pytest.mark.parametrize(
    ("before_s", "now_s", "apart_s", "cores"),
    [
        (None, 5.0, 10.0, None),
        (1.0, 2.0, 10.0, 0.1),
        (5.0, 1.0, 10.0, None),
        (1.0, 2.0, usage.APART_S + 1, None),
        (1.0, 2.0, 0.0, None),
        (1.0, 1.0, 10.0, 0.0),
    ],
)
def test_cores_are_seconds_of_use_per_second(
    before_s: float | None, now_s: float, apart_s: float, cores: float | None
) -> None:
    assert usage._cores(before_s, now_s, apart_s) == pytest.approx(cores)


def test_a_machine_that_is_away_is_named_and_the_list_still_comes(console: Console, use_backend: Use) -> None:
    made_up(2, cluster=Cluster.objects.create(name="hall"))
    use_backend("UnreachableBackend")

    page = console.get(LIST)

    assert len(references(page)) == 2
    assert "hall does not answer, so memory and cores are not known there." in page


def test_a_machine_that_is_away_is_not_asked_again_for_ten_seconds(use_backend: Use) -> None:
    use_backend("UnreachableBackend")
    first = usage.readings([None])
    assert first.away
    assert usage.readings([None]).at == first.at
    cache.clear()
    assert usage.readings([None]).at > first.at


def test_samples_are_kept_while_somebody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = ready_sandbox(make.student())
    at = time.time()
    for number in range(usage.SAMPLES + 20):
        monkeypatch.setattr(time, "time", lambda then=at + 11 * number: then)
        kept = usage.samples(sandbox.hex, usage.readings([sandbox.cluster]))
    assert 10 < len(kept) <= usage.SAMPLES
    assert [sample.at for sample in kept] == sorted({sample.at for sample in kept})
    assert kept[-1].memory_bytes > 0
