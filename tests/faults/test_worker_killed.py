"""kill -9 of the worker before and after every call to the backend, in every phase of a sandbox's life (F1).

A first process writes a wish and dies at one call; a second one, which knows nothing, sweeps. The dead
worker's lease has to run out first (10 s of the database's clock), and a real sweep comes every 10 s.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

import pytest

from tests.faults.table import Case
from tests.sandboxes.backends.local_host import LocalHost, running_host
from tests.sandboxes.engines import Site, sqlite_site

BACKEND = "tests.sandboxes.doubles.CrashingBackend"
# The calls of an undisturbed run, held by a test; a crash is tried on both sides of each.
CALLS = {
    "start": ["ensure", "observe", "observe", "observe", "observe"],
    "stop": ["suspend"],
    "resume": ["resume", "observe", "observe", "observe"],
    "delete": ["destroy"],
    "warm": ["ensure", "observe", "observe", "prove", "freeze"],
    "claim": ["thaw", "answers", "observe"],
}
ENDS = {
    "start": "ready",
    "stop": "suspended",
    "resume": "ready",
    "delete": "deleted",
    "warm": "warm",
    "claim": "ready",
}
# A pool of one where the wish is about it; elsewhere none, so that every run makes the same calls.
POOL = {"warm": "1"}
POINTS = [
    (wish, f"{number}:{when}")
    for wish, calls in CALLS.items()
    for number in range(1, len(calls) + 1)
    for when in ("before", "after")
]
SWEEP_EVERY_S = 10.0
PROMISED_S = 30.0


def crash_and_recover(site: Site, wish: str, crash_at: str) -> dict[str, Any]:
    """What became of a wish whose worker died at one call."""
    pool = POOL.get(wish, "0")
    crashed = site.worker("wish", wish, crash=True, CRASH_AT=crash_at, WARM_POOL=pool)
    recovered = site.worker("recover", PROMISED_S, WARM_POOL=pool)
    return {"crashed": crashed is None, **recovered}


@pytest.fixture(scope="module")
def prepared() -> Iterator[dict[str, Site]]:
    """For each wish a site where it makes sense; every crash gets a copy."""
    with ExitStack() as stack:
        fresh = stack.enter_context(sqlite_site(SANDBOX_BACKEND=BACKEND))
        sites = {}
        for wish in CALLS:
            sites[wish] = stack.enter_context(sqlite_site(like=fresh, SANDBOX_BACKEND=BACKEND))
            sites[wish].worker("prepare", wish, WARM_POOL="1" if wish == "claim" else "0")
        yield sites


@pytest.fixture(scope="module")
def outcomes(prepared: dict[str, Site]) -> dict[tuple[str, str], dict[str, Any]]:
    """All crashes, several at a time: most of each is waiting for a lease to run out."""

    def run(point: tuple[str, str]) -> dict[str, Any]:
        with sqlite_site(like=prepared[point[0]], SANDBOX_BACKEND=BACKEND) as site:
            return crash_and_recover(site, *point)

    with ThreadPoolExecutor(8) as pool:
        return dict(zip(POINTS, pool.map(run, POINTS), strict=True))


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("worker killed")]


@pytest.mark.parametrize("wish", CALLS)
def test_these_are_all_the_calls_that_a_wish_makes(wish: str, prepared: dict[str, Site]) -> None:
    with sqlite_site(like=prepared[wish], SANDBOX_BACKEND=BACKEND) as site:
        done = site.worker("wish", wish, WARM_POOL=POOL.get(wish, "0"))

    assert (done["state"], done["calls"]) == (ENDS[wish], CALLS[wish])


@pytest.mark.fault("F1", "kill -9 of a worker before and after each call of every wish", holds="I1 I2 I3 I7")
@pytest.mark.parametrize("point", POINTS, ids="-".join)
def test_a_worker_killed_at_any_call_is_made_good_by_the_sweep(
    point: tuple[str, str], outcomes: dict[tuple[str, str], dict[str, Any]], case: Case
) -> None:
    outcome = outcomes[point]

    assert outcome["crashed"]
    assert outcome["state"] == ENDS[point[0]]
    assert outcome["took_s"] + SWEEP_EVERY_S < PROMISED_S
    case.took(outcome["took_s"] + SWEEP_EVERY_S)
    case.holds(*outcome["holds"])


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host


@pytest.mark.kafka
@pytest.mark.fault("F1", "the same, a real Kafka starting", holds="I1 I2 I3 I7")
def test_a_real_kafka_survives_a_worker_killed_at_any_call_of_its_start(host: LocalHost, case: Case) -> None:
    data = str(host.directory)
    for crash_at in ("1:before", "1:after", "2:before", "3:after"):
        with sqlite_site(CRASH_INNER="local", SANDBOX_BACKEND=BACKEND, MILLRACE_DATA=data) as site:
            outcome = crash_and_recover(site, "start", crash_at)
            there = host.backend.inventory()
            site.worker("wish", "delete")

        assert (outcome["crashed"], outcome["state"], len(there)) == (True, "ready", 1)
        assert outcome["took_s"] + SWEEP_EVERY_S < PROMISED_S
        case.took(max(case.took_s or 0.0, outcome["took_s"] + SWEEP_EVERY_S))
        case.holds(*outcome["holds"])
        assert host.backend.inventory() == ()
