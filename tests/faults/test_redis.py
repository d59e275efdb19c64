"""Redis restarts under a whole site with real Kafkas: empty, with its data, or away for a while (F3)."""

import time
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from tests.faults.table import Case, Lasting
from tests.faults.visitor import Visitor
from tests.faults.whole_site import WholeSite, make_topic, produce, read_all, whole_site
from tests.live.valkey import Valkey

DOWN = Lasting(full_s=60, short_s=6)
TOPIC = "orders"
PATIENCE_S = 120
LESSON = "/lessons/first-producer/"
# What each part of the site says while Redis is away.
AWAY = (
    "doorbell.lost",
    "announce.",
    "cache.away",
    "live.",
    "grader",
    "kombu",
    "celery",
    "channels_redis",
    "redis",
)
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.slow,
    pytest.mark.xdist_group("redis"),
    pytest.mark.logs(*AWAY),
]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    valkey = Valkey(Path(tmp_path_factory.mktemp("valkey")))
    valkey.start()
    yield valkey
    valkey.stop()


@pytest.fixture(scope="module")
def site(valkey: Valkey) -> Iterator[WholeSite]:
    with whole_site(REDIS_URL=valkey.url, WARM_POOL="0") as site:
        site.start()
        yield site


@pytest.fixture(scope="module")
def ada(site: WholeSite) -> Visitor:
    """Signed in, with a Kafka that runs and holds a topic."""
    ada = Visitor(site.address).sign_in("ada", "millrace-ada")
    ada.press("start")
    site.ask("until", "ada", "ready", PATIENCE_S)
    make_topic(site.endpoint(site.ask("sandbox_of", "ada")), TOPIC)
    return ada


@pytest.fixture
def edsger(site: WholeSite) -> Visitor:
    """Signed in, without a sandbox."""
    site.ask("delete", "edsger", PATIENCE_S)
    return Visitor(site.address).sign_in("edsger", "millrace-edsger")


@pytest.mark.fault("F3", "Redis restarted, empty; whole site", holds="I1 I2 I3 I5 I7 I14")
def test_an_empty_redis(site: WholeSite, valkey: Valkey, ada: Visitor, edsger: Visitor, case: Case) -> None:
    through_an_outage(site, valkey, ada, edsger, case, down_s=0)


@pytest.mark.fault("F3", "Redis restarted, with its data; whole site", holds="I1 I2 I3 I5 I7 I14")
def test_a_redis_with_its_data(
    site: WholeSite, valkey: Valkey, ada: Visitor, edsger: Visitor, case: Case
) -> None:
    through_an_outage(site, valkey, ada, edsger, case, down_s=0, keep=True)


@pytest.mark.fault("F3", f"Redis down {DOWN}; whole site", holds="I1 I2 I3 I5 I7 I14")
def test_no_redis_for_a_while(
    site: WholeSite, valkey: Valkey, ada: Visitor, edsger: Visitor, case: Case
) -> None:
    through_an_outage(site, valkey, ada, edsger, case, down_s=DOWN.seconds)


def through_an_outage(
    site: WholeSite,
    valkey: Valkey,
    ada: Visitor,
    edsger: Visitor,
    case: Case,
    *,
    down_s: float,
    keep: bool = False,
) -> None:
    hex_id = site.ask("sandbox_of", "ada")
    kafka = site.endpoint(hex_id)
    before, during, after = (f"{word} {time.time()}" for word in ("before", "during", "after"))
    with ada.watching(str(UUID(hex_id)), TOPIC) as watcher:
        produce(kafka, TOPIC, [before])
        watcher.sees(before, PATIENCE_S)

        valkey.stop(keep=keep)
        pages = [ada.get(path) for path in ("/", LESSON, "/sandbox/", "/healthz/")]
        start = edsger.press("start")
        readiness = ada.get("/readyz/")
        state = site.ask("states")["edsger"]
        produce(kafka, TOPIC, [during])
        time.sleep(down_s)
        valkey.start()
        case.cleared()

        produce(kafka, TOPIC, [after])
        watcher.sees(after, PATIENCE_S)
        site.ask("heard", PATIENCE_S)
        site.ask("until", "edsger", "ready", PATIENCE_S)
        site.ask("is_ready", PATIENCE_S)
        case.converged()

    assert [page.status for page in pages] == [200] * 4
    assert (start.status, start.state, state) == (200, "queued", "queued")
    assert readiness.status == 503
    assert "Redis does not answer" in readiness.text
    assert set(read_all(kafka, TOPIC)) >= {before, during, after}
    case.holds("I5", "I14")
    case.holds(*site.ask("check", module="tests.sandboxes.worker"))
