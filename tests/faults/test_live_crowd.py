"""Very many viewers of one sandbox, of many sandboxes, and all of them back at once after a restart (F14).

As many as two cores serve beside the rest of a suite; the thousand is measured in tests/bench.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.bench import processes
from tests.bench.returning import Pages, Standing, pages
from tests.faults.table import Case
from tests.live.byhand import Sampler
from tests.live.served import Served, served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("crowd")]

VIEWERS, SANDBOXES = 200, 20
PACE = 5.0
_WITHIN_S = 120.0
_WATCHED_S = 5.0
_MB_EACH = 0.5


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    counted: Path = tmp_path_factory.mktemp("counted") / "queries"
    with served(
        FURNISHED_SESSIONS=str(VIEWERS),
        FURNISHED_STUDENTS=str(SANDBOXES),
        COUNTED_QUERIES=str(counted),
        LIVE_TABS_PER_USER="1000",
    ) as site:
        yield site


@pytest.fixture
def sampler(site: Served) -> Iterator[Sampler]:
    with Sampler(site.valkey.url, site.sandbox.hex) as sampler, sampler.at_a_pace(PACE):
        yield sampler


def of_one(site: Served) -> list[tuple[str, str]]:
    """Tabs of one sandbox, each with a session of its own."""
    return [(site.path, cookie) for cookie in site.tabs]


def of_many(site: Served) -> list[tuple[str, str]]:
    """As many tabs, shared out over all sandboxes."""
    return [(f"/ws/live/{home}/", cookie) for home, cookie in site.students] * (VIEWERS // SANDBOXES)


def until_current(crowd: Pages, samplers: Sequence[Sampler], count: int = VIEWERS) -> Standing:
    """Until every page has reached where its sampler is at this moment."""
    places = [sampler.place for sampler in samplers]
    until = time.monotonic() + _WITHIN_S
    while True:
        found = [crowd.standing(place) for place in places]
        if sum(one.current for one in found) == count:
            return found[-1]
        assert time.monotonic() < until, found
        time.sleep(0.1)


@pytest.mark.fault("F14", f"{VIEWERS} viewers of one sandbox", holds="I9 I10")
def test_a_crowd_before_one_sandbox_gets_every_frame_and_costs_a_bounded_memory(
    site: Served, sampler: Sampler, case: Case
) -> None:
    memory = processes.pss_mb([site.pid])
    with pages(site.address, of_one(site)) as crowd:
        until_current(crowd, [sampler])
        case.converged()
        time.sleep(_WATCHED_S)
        grown = processes.pss_mb([site.pid]) - memory
        check_whole(until_current(crowd, [sampler]), case)
    assert grown <= VIEWERS * _MB_EACH
    case.holds("I10")


@pytest.mark.fault("F14", f"{VIEWERS} viewers of {SANDBOXES} sandboxes", holds="I9 I10")
def test_a_crowd_before_many_sandboxes_gets_every_frame_of_its_own(site: Served, case: Case) -> None:
    memory = processes.pss_mb([site.pid])
    with contextlib.ExitStack() as stack:
        samplers = [stack.enter_context(Sampler(site.valkey.url, home.hex)) for home, _ in site.students]
        for one in samplers:
            stack.enter_context(one.at_a_pace(1.0))
        crowd = stack.enter_context(pages(site.address, of_many(site)))
        until_current(crowd, samplers)
        case.converged()
        time.sleep(_WATCHED_S)
        grown = processes.pss_mb([site.pid]) - memory
        check_whole(until_current(crowd, samplers), case)
    assert grown <= VIEWERS * _MB_EACH
    case.holds("I10")


def check_whole(told: Standing, case: Case) -> None:
    """Nobody was cut off, and nobody missed a frame."""
    assert (told.connected, told.cuts, told.gaps, told.snaps) == (VIEWERS, 0, 0, VIEWERS)
    case.holds("I9")


@pytest.mark.fault("F14", f"web process killed under {VIEWERS} viewers; all back at once", holds="I9 I10")
def test_all_come_back_after_a_restart_and_miss_nothing(site: Served, sampler: Sampler, case: Case) -> None:
    with pages(site.address, of_one(site)) as crowd:
        until_current(crowd, [sampler])
        site.kill()
        time.sleep(1.0)
        site.start()
        asked = site.queries
        case.cleared()
        told = until_current(crowd, [sampler])
        case.converged()

    assert (told.cuts, told.gaps, told.snaps) == (VIEWERS, 0, VIEWERS), "resumed, not begun anew"
    case.holds("I9")
    assert site.queries - asked <= 2 * VIEWERS
    case.holds("I10")
