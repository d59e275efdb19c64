"""Health is about this process; readiness is about everything it stands on, a sentence for each."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client

from config import heartbeat, readiness, tasks
from sandboxes import pulse
from sandboxes.backends.base import BackendError
from tests.live.valkey import Valkey, running_valkey


@pytest.fixture(autouse=True)
def _afresh() -> Iterator[None]:
    """Nothing is known from an earlier test."""

    def forget() -> None:
        readiness._Kept.parts = None
        readiness._Migrated.done = False
        readiness._redis.cache_clear()

    forget()
    yield
    forget()


@pytest.fixture
def valkey(settings: Any) -> Iterator[Valkey]:
    with running_valkey() as valkey:
        settings.REDIS_URL = valkey.url
        yield valkey


@pytest.fixture
def at_work(db: None, valkey: Valkey) -> Valkey:
    """A site on which everything runs."""
    tasks.beat()
    pulse.swept()
    return valkey


def waiting(client: Client) -> dict[str, str]:
    """The parts that are not ready, with their sentences."""
    readiness._Kept.parts = None
    answer = client.get("/readyz/", headers={"Accept": "application/json"})
    told = answer.json()
    assert told["ready"] is (answer.status_code == 200)
    return {part["name"]: part["sentence"] for part in told["parts"] if not part["ready"]}


def test_a_process_is_healthy_without_database_or_redis(client: Client) -> None:
    """pytest-django refuses the database to this test."""
    answer = client.get("/healthz/")

    assert (answer.status_code, answer.content) == (200, b"ok\n")


def test_a_site_on_which_everything_runs_is_ready(client: Client, at_work: Valkey) -> None:
    answer = client.get("/readyz/")

    assert answer.status_code == 200
    assert [line.split()[0] for line in answer.content.decode().splitlines()] == ["ok"] * 6
    assert waiting(client) == {}


def test_a_plain_question_gets_a_line_for_each_part(client: Client, db: None) -> None:
    answer = client.get("/readyz/")

    lines = answer.content.decode().splitlines()
    assert answer.status_code == 503
    assert [line.split()[1] for line in lines] == [
        "database:", "migrations:", "redis:", "host:", "worker:", "sweep:",
    ]  # fmt: skip
    assert all(line.endswith(".") for line in lines)


def test_redis_that_is_away_is_named_and_comes_back_by_itself(client: Client, at_work: Valkey) -> None:
    at_work.stop()
    assert waiting(client).keys() == {"redis"}

    at_work.start()
    assert waiting(client) == {}


def test_a_database_of_an_older_form_is_named_with_the_command(client: Client, at_work: Valkey) -> None:
    loader = MigrationLoader(connection)
    for app, name in loader.graph.leaf_nodes("sandboxes"):
        MigrationRecorder(connection).record_unapplied(app, name)

    assert "manage.py migrate" in waiting(client)["migrations"]


def test_a_host_that_does_not_answer_is_named(
    client: Client, at_work: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AwayBackend:
        def inventory(self) -> tuple[str, ...]:
            raise BackendError("secret words about /private/paths")

    monkeypatch.setattr("sandboxes.provisioning.backend_for", lambda place: AwayBackend())

    assert "does not answer" in waiting(client)["host"]
    assert "/private" not in str(waiting(client))


@pytest.mark.parametrize(("ago", "late"), [(14, False), (16, True)])
def test_a_worker_counts_as_silent_after_fifteen_seconds(
    client: Client, at_work: Valkey, ago: float, late: bool
) -> None:
    cache.set(heartbeat._KEY, time.time() - ago, None)

    assert ("worker" in waiting(client)) is late


def test_a_worker_that_was_never_heard_of_is_not_ready(client: Client, at_work: Valkey) -> None:
    cache.delete(heartbeat._KEY)

    assert "No worker has executed a heartbeat" in waiting(client)["worker"]


def test_a_sweep_that_is_overdue_is_not_ready(client: Client, at_work: Valkey) -> None:
    cache.set(pulse._SWEPT, time.time() - 31, None)

    assert "The last sweep ended 31 s ago." in waiting(client)["sweep"]


def test_asking_often_does_not_look_often(client: Client, at_work: Valkey) -> None:
    client.get("/readyz/")
    at_work.stop()

    assert client.get("/readyz/").status_code == 200  # what was seen within the last second


def test_answers_are_not_kept_by_any_cache(client: Client, db: None) -> None:
    for path in ("/healthz/", "/readyz/"):
        assert "no-store" in client.get(path).headers["Cache-Control"]


def test_over_plain_http_a_site_with_tls_still_answers_machines(
    client: Client, db: None, settings: Any
) -> None:
    settings.SECURE_SSL_REDIRECT = True

    assert client.get("/healthz/").status_code == 200
    assert client.get("/readyz/").status_code == 503
    assert client.get("/accounts/login/").status_code == 301
