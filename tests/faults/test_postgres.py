"""PostgreSQL fails under a whole site: stopped at once and away for a while, or every connection cut (F4)."""

import contextlib
import threading
import time
from collections.abc import Iterator
from uuid import UUID

import pytest

from tests.faults.postgres import Postgres, running_postgres
from tests.faults.table import Case, Lasting
from tests.faults.visitor import Visitor
from tests.faults.whole_site import WholeSite, make_topic, produce, read_all, whole_site

DOWN = Lasting(full_s=30, short_s=6)
TOPIC = "orders"
CUTS = 30
PATIENCE_S = 120
QUIZ = "/lessons/first-producer/quiz/flush-returns/"
PAGES = ("/", "/lessons/first-producer/", "/sandbox/")
# What each part of the site says while its database is away.
AWAY = ("page.failed", "celery", "live.sessions", "grader.refresh")
pytestmark = [
    pytest.mark.kafka,
    pytest.mark.postgres,
    pytest.mark.slow,
    pytest.mark.xdist_group("postgres outage"),
    pytest.mark.logs(*AWAY),
]


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as postgres:
        yield postgres


@pytest.fixture(scope="module")
def site(postgres: Postgres) -> Iterator[WholeSite]:
    with whole_site(DATABASE_URL=postgres.url, WARM_POOL="0") as site:
        site.start()
        yield site


@pytest.fixture(scope="module")
def ada(site: WholeSite) -> Visitor:
    """Signed in, with a Kafka that runs and holds a topic, and something to show for her work."""
    ada = Visitor(site.address).sign_in("ada", "millrace-ada")
    ada.press("start")
    site.ask("until", "ada", "ready", PATIENCE_S)
    make_topic(site.endpoint(site.ask("sandbox_of", "ada")), TOPIC)
    assert ada.post(QUIZ, {"answer": "pending"}).status == 200
    return ada


@pytest.fixture
def edsger(site: WholeSite) -> Visitor:
    """Signed in, without a sandbox."""
    site.ask("delete", "edsger", PATIENCE_S)
    return Visitor(site.address).sign_in("edsger", "millrace-edsger")


@pytest.mark.fault(
    "F4", f"PostgreSQL stopped at once, away {DOWN}; whole site", holds="I1 I2 I3 I5 I6 I7 I12 I14"
)
def test_no_postgresql_for_a_while(
    site: WholeSite, postgres: Postgres, ada: Visitor, edsger: Visitor, case: Case
) -> None:
    hex_id = site.ask("sandbox_of", "ada")
    kafka, progress = site.endpoint(hex_id), site.ask("progress")
    before, during, after = (f"{word} {time.time()}" for word in ("before", "during", "after"))
    panel = ada.get("/sandbox/")
    with ada.watching(str(UUID(hex_id)), TOPIC) as watcher:
        produce(kafka, TOPIC, [before])
        watcher.sees(before, PATIENCE_S)

        accepted = edsger.press("start")
        postgres.stop()
        pages = [ada.get(path) for path in PAGES]
        stop = ada.post("/sandbox/stop/", page=panel)
        alive, readiness = ada.get("/healthz/"), ada.get("/readyz/")
        produce(kafka, TOPIC, [during])
        time.sleep(DOWN.seconds)
        postgres.start()
        case.cleared()

        recovered = [ada.get(path) for path in PAGES]
        produce(kafka, TOPIC, [after])
        watcher.sees(after, PATIENCE_S)
        site.ask("until", "edsger", "ready", PATIENCE_S)
        site.ask("heard", PATIENCE_S)
        site.ask("is_ready", PATIENCE_S)
        case.converged()

    assert accepted.status == 200
    assert [page.status for page in (*pages, stop)] == [503] * 4
    assert all("The site cannot reach its database just now." in page.text for page in pages)
    assert not any("Traceback" in page.text or "psycopg" in page.text for page in pages)
    case.holds("I12")
    assert alive.status == 200
    assert (readiness.status, "The database does not answer." in readiness.text) == (503, True)
    assert [page.status for page in recovered] == [200] * 3
    assert site.ask("states")["ada"] == "ready"
    assert set(read_all(kafka, TOPIC)) >= {before, during, after}
    assert progress
    assert site.ask("progress") == progress
    case.holds("I5", "I6", "I14", *site.ask("check", module="tests.sandboxes.worker"))


@pytest.mark.fault(
    "F4", "every connection to PostgreSQL cut, again and again; whole site", holds="I1 I2 I3 I6 I7"
)
def test_connections_cut_in_the_middle_of_whatever_they_do(
    site: WholeSite, postgres: Postgres, ada: Visitor, edsger: Visitor, case: Case
) -> None:
    progress = site.ask("progress")
    edsger.press("start")
    with reading(ada) as statuses:
        cut, until = 0, time.monotonic() + PATIENCE_S
        while cut < CUTS:
            assert time.monotonic() < until, f"{cut} connections were cut"
            cut += postgres.drop_connections()
            time.sleep(0.02)
    case.cleared()

    site.ask("until", "edsger", "ready", PATIENCE_S)
    site.ask("is_ready", PATIENCE_S)
    case.converged()

    assert {200} <= set(statuses) <= {200, 503}
    assert [ada.get(path).status for path in PAGES] == [200] * 3
    assert site.ask("progress") == progress
    case.holds("I6", *site.ask("check", module="tests.sandboxes.worker"))


@contextlib.contextmanager
def reading(visitor: Visitor) -> Iterator[list[int]]:
    """Somebody turns pages all the time; how each was answered."""
    statuses: list[int] = []
    ended = threading.Event()

    def read() -> None:
        while not ended.is_set():
            statuses.extend(visitor.get(path).status for path in PAGES)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield statuses
    finally:
        ended.set()
        reader.join()
