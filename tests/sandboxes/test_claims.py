"""Twenty press Start at once, from threads and from processes, on both databases: nobody shares a sandbox."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import Any

import pytest

from tests.sandboxes.engines import Site, postgres_site, sqlite_site

MODULE = "tests.sandboxes.claimers"
pytestmark = pytest.mark.slow


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)], ids=str
)
def site(request: pytest.FixtureRequest) -> Iterator[Site]:
    make = sqlite_site if request.param == "sqlite" else postgres_site
    with make(SANDBOX_BACKEND="memory") as site:
        yield site


def press(site: Site, first: int, count: int) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = site.worker("press", first, count, module=MODULE)
    return answers


def test_twenty_threads_and_twelve_warm_ones(site: Site) -> None:
    warm = set(site.worker("warm", 12, module=MODULE))

    answers = press(site, 100, 20)

    got = [answer["sandbox"] for answer in answers]
    assert len(set(got)) == 20
    assert warm <= set(got)
    assert Counter(answer["state"] for answer in answers) == {"binding": 12, "queued": 8}


def test_four_processes_and_as_many_warm_ones_as_people(site: Site) -> None:
    warm = set(site.worker("warm", 40, module=MODULE))

    with ThreadPoolExecutor(4) as processes:
        answers = list(chain(*processes.map(lambda first: press(site, first, 10), (200, 210, 220, 230))))

    assert {answer["sandbox"] for answer in answers} == warm


def test_one_person_in_four_processes_gets_one(site: Site) -> None:
    """The same ten people press in every process: two tabs, and two more."""
    site.worker("warm", 40, module=MODULE)

    with ThreadPoolExecutor(4) as processes:
        answers = list(chain(*processes.map(lambda _: press(site, 300, 10), range(4))))

    theirs = {(answer["user"], answer["sandbox"]) for answer in answers}
    assert len(theirs) == 10
