"""Celery, beat and Redis as they run on the site, killed and taken away at bad moments (F1, F3).

The sandboxes are only pretended ones, in a file that outlives every process here.
"""

import signal
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.live.valkey import Valkey, running_valkey
from tests.sandboxes.engines import Site, sqlite_site

pytestmark = pytest.mark.slow

WORKER = (
    "-m",
    "celery",
    "-A",
    "config.celery",
    "worker",
    "-P",
    "threads",
    "-c",
    "4",
    "-Q",
    "provision,housekeeping",
)
BEAT = ("-m", "celery", "-A", "config.celery", "beat", "--pidfile=")


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
def site(valkey: Valkey) -> Iterator[Site]:
    backend = "tests.sandboxes.doubles.PatientBackend"
    with sqlite_site(SANDBOX_BACKEND=backend, REDIS_URL=valkey.url) as site:
        yield site


def worker_of(site: Site) -> AbstractContextManager[object]:
    return site.running(*WORKER, "--without-gossip", "--without-mingle")


def test_a_start_goes_on_when_its_worker_is_killed_and_another_one_comes(site: Site) -> None:
    with ExitStack() as running:
        running.enter_context(site.running(*BEAT))
        with site.running(*WORKER) as first:
            site.worker("press", "start", "provisioning", 30)
            first.send_signal(signal.SIGKILL)
        running.enter_context(worker_of(site))

        recovered = site.worker("press", "look", "ready", 60)

    assert recovered["took_s"] < 30
    assert site.worker("check") == "all right"


@pytest.mark.logs("doorbell.lost", "announce.lost", "cache.away", "celery|kombu|redis")
def test_without_redis_a_start_is_answered_at_once_and_done_when_redis_is_back(
    site: Site, valkey: Valkey
) -> None:
    with ExitStack() as running:
        running.enter_context(site.running(*BEAT))
        running.enter_context(worker_of(site))
        valkey.stop()
        without = site.worker("press", "start", "queued", 10)
        valkey.start()

        done = site.worker("press", "look", "ready", 60)

    # kombu would try again for six seconds; a bell that cannot be rung is left to the sweep.
    assert without["answered_s"] < 5
    assert done["took_s"] < 45


def test_beat_running_twice_does_no_harm(site: Site) -> None:
    with ExitStack() as running:
        for _ in range(2):
            running.enter_context(site.running(*BEAT, "--schedule", str(site.directory / f"beat-{_}")))
        running.enter_context(worker_of(site))
        running.enter_context(worker_of(site))

        site.worker("press", "start", "ready", 60)
        site.worker("press", "delete", "deleted", 60)

    assert site.worker("check") == "all right"
