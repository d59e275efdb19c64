"""Celery, beat and Redis as they run on the site, killed and taken away at bad moments (F1, F3, F23).

The sandboxes are only pretended ones, in a file that outlives every process here.
"""

import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.faults.table import Case, Lasting
from tests.live.valkey import Valkey, running_valkey
from tests.sandboxes.engines import Site, sqlite_site

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("doorbells")]

CELERY = ("-m", "celery", "-A", "config.celery")
WORKER = (*CELERY, "worker", "-P", "threads", "-c", "4", "-Q", "provision,housekeeping")
LOOKING = "tests.faults.looking"
BEAT = (*CELERY, "beat", "--pidfile=")
# What a site says while Redis is away: each part in its own words, and that it tries again.
AWAY = ("doorbell.lost", "announce.lost", "cache.away", "celery.worker.consumer", "celery.beat", "kombu")
DOWN = Lasting(full_s=60, short_s=5)
NO_BEAT = Lasting(full_s=600, short_s=35)


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
def site(valkey: Valkey) -> Iterator[Site]:
    backend = "tests.sandboxes.doubles.PatientBackend"
    with sqlite_site(SANDBOX_BACKEND=backend, REDIS_URL=valkey.url, WARM_POOL="0") as site:
        yield site


def worker_of(site: Site) -> AbstractContextManager[object]:
    return site.running(*WORKER, "--without-gossip", "--without-mingle")


def beat_of(site: Site, number: int = 0) -> AbstractContextManager[object]:
    return site.running(*BEAT, "--schedule", str(site.directory / f"beat-{number}"))


@pytest.mark.fault("F1", "kill -9 of the Celery worker in a start", holds="I1 I2 I3 I7")
def test_a_start_goes_on_when_its_worker_is_killed_and_another_one_comes(site: Site, case: Case) -> None:
    with ExitStack() as running:
        running.enter_context(beat_of(site))
        with site.running(*WORKER) as first:
            site.worker("press", "start", "provisioning", 30)
            first.send_signal(signal.SIGKILL)
        running.enter_context(worker_of(site))
        case.cleared()

        site.worker("press", "look", "ready", 60)
        assert case.converged() < 45

    case.holds(*site.worker("check"))


@pytest.mark.logs(*AWAY)
@pytest.mark.fault("F3", f"Redis down {DOWN}, then empty; a Start meanwhile", holds="I1 I2 I3 I7")
def test_without_redis_a_start_is_answered_at_once_and_done_when_redis_is_back(
    site: Site, valkey: Valkey, case: Case
) -> None:
    with ExitStack() as running:
        running.enter_context(beat_of(site))
        running.enter_context(worker_of(site))
        site.worker("heard", 60, module=LOOKING)
        valkey.stop()
        without = site.worker("press", "start", "queued", 10)
        time.sleep(DOWN.seconds)
        valkey.start()
        case.cleared()

        heard_s = site.worker("heard", 30, module=LOOKING)
        site.worker("until", "ada", "ready", 60, module=LOOKING)
        took_s = case.converged()

    # kombu would try again for six seconds; a bell that cannot be rung is left to the sweep.
    assert without["answered_s"] < 5
    assert heard_s < 15
    assert took_s < 45
    case.holds(*site.worker("check"))


@pytest.mark.fault("F23", "beat running twice", holds="I1 I2 I3 I7")
def test_beat_running_twice_does_no_harm(site: Site, case: Case) -> None:
    with ExitStack() as running:
        for number in range(2):
            running.enter_context(beat_of(site, number))
            running.enter_context(worker_of(site))

        site.worker("press", "start", "ready", 60)
        site.worker("press", "delete", "deleted", 60)

    case.holds(*site.worker("check"))


@pytest.mark.fault("F23", f"beat absent for {NO_BEAT}", holds="I1 I2 I3 I7")
def test_without_beat_the_sweep_is_called_overdue_and_caught_up_with_later(site: Site, case: Case) -> None:
    with ExitStack() as running:
        running.enter_context(worker_of(site))
        with beat_of(site):
            site.worker("heard", 60, module=LOOKING)
            site.worker("press", "start", "ready", 60)
        site.worker("lost_start", "edsger", module=LOOKING)
        time.sleep(NO_BEAT.seconds)
        overdue = site.worker("ready", module=LOOKING)
        states = site.worker("states", module=LOOKING)
        running.enter_context(beat_of(site))
        case.cleared()

        site.worker("until", "edsger", "ready", 60, module=LOOKING)
        assert case.converged() < 30
        caught_up = site.worker("ready", module=LOOKING)

    assert states == {"ada": "ready", "edsger": "queued"}
    assert (overdue["sweep"], caught_up["sweep"]) == (False, True)
    case.holds(*site.worker("check"))
