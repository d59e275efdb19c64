"""Many at once, on both databases: one wins, nothing is doubled, nothing is locked out."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.gates.seed import SEED
from tests.sandboxes.engines import Site, postgres_site, sqlite_site

THREADS = 12

# Races begin on an empty table: what the one before left in the backend is nobody's any more.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("races"), pytest.mark.logs("sweep.orphan")]


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], ids=str
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    make = sqlite_site if request.param == "sqlite" else postgres_site
    with make(SANDBOX_BACKEND="memory") as site:
        yield site


@pytest.fixture(scope="module")
def races(site: Site) -> Any:
    """What came of every race, run one after the other in one process of many threads."""
    return site.worker("races", THREADS)


def test_the_races_ran_on_the_database_they_are_about(races: Any, site: Site) -> None:
    assert races["database"] == site.database_url.partition(":")[0]


def test_one_of_many_moves_wins_and_is_written_once(races: Any) -> None:
    assert races["move"] == {"winners": 1, "events": 1}


def test_one_of_many_workers_gets_the_lease(races: Any) -> None:
    assert races["lease"] == {"winners": 1}


def test_many_starts_of_one_student_make_one_sandbox(races: Any) -> None:
    assert races["start"] == {"ids": 1, "rows": 1, "events": 1}


def test_a_class_that_starts_in_two_tabs_each_gets_one_sandbox_for_each_student(races: Any) -> None:
    assert races["class"] == {"own": True, "ids": THREADS // 2, "rows": THREADS // 2}


def test_no_more_start_at_once_than_there_is_room_for(races: Any) -> None:
    assert races["room"] == {"winners": 3, "starting": 3}


def test_a_start_rung_for_by_many_is_started_once(races: Any) -> None:
    assert races["rings"] == {"state": "ready", "events": 1}


def test_a_storm_from_several_processes_leaves_everything_right(site: Site) -> None:
    """Two tabs each of two students, pressing everything for four seconds from four processes."""
    tabs = [("ada", SEED), ("ada", SEED + 1), ("edsger", SEED + 2), ("edsger", SEED + 3)]

    with ThreadPoolExecutor(len(tabs)) as pool:
        counts = list(pool.map(lambda tab: site.worker("storm", tab[0], 4, tab[1]), tabs))

    assert not [error for count in counts for error in count if "locked" in error or "deadlock" in error]
    assert all(count.get("press_start", 0) > 0 for count in counts), counts
    site.worker("recover", 60)
