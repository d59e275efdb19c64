"""A doorbell rung twice, by many at once, or long after a Stop; a worker that wakes up late (F2)."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.faults.table import Case
from tests.sandboxes.engines import Site, postgres_site, sqlite_site

MODULE = "tests.faults.delivering"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("delivery")]


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], ids=str
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    make = sqlite_site if request.param == "sqlite" else postgres_site
    with make(SANDBOX_BACKEND="tests.sandboxes.doubles.CallsBackend", WARM_POOL="0") as site:
        yield site


@pytest.mark.fault("F2", "the same task eight times, one after the other", holds="I1 I2 I3 I7")
def test_a_task_delivered_again_finds_its_work_done(site: Site, case: Case) -> None:
    told = site.worker("again", 8, module=MODULE)

    assert told["moves"] == ["queued", "provisioning", "binding", "ready"]
    assert told["ensured"] == 1
    case.holds(*site.worker("check"))


@pytest.mark.fault("F2", "the same task in twelve threads at once", holds="I1 I2 I3 I7")
def test_a_task_delivered_to_many_at_once_is_done_once(site: Site, case: Case) -> None:
    told = site.worker("at_once", 12, module=MODULE)

    assert told["moves"] == ["queued", "provisioning", "binding", "ready"]
    assert told["ensured"] == 1
    case.holds(*site.worker("check"))


@pytest.mark.fault("F2", "a task of a Start, delivered after Stop", holds="I1 I2 I3 I7 I11")
def test_a_task_that_comes_after_stop_starts_nothing(site: Site, case: Case) -> None:
    told = site.worker("after_stop", module=MODULE)

    assert told["moves"][-1] == "deleted"
    assert told["ensured_after"] == 0
    case.holds("I11", *site.worker("check"))


@pytest.mark.fault("F2", "a worker that slept through its lease", holds="I1 I2 I3 I7 I8 I11")
def test_what_an_old_worker_writes_changes_nothing(site: Site, case: Case) -> None:
    told: Any = site.worker("old_worker", module=MODULE)

    assert told["wrote"] == {"move": False, "note": False, "stage": False, "renewed": False}
    assert told["before"] == told["after"]
    case.holds("I8", "I11", *site.worker("check"))
