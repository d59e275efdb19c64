"""What the lesson's page reads at once is what the ORM says, on both databases."""

from typing import Any

import pytest

from tests.sandboxes.engines import postgres_site, sqlite_site


@pytest.fixture(
    scope="module",
    params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.postgres, pytest.mark.slow])],
    ids=str,
)
def told(request: pytest.FixtureRequest) -> Any:
    make = sqlite_site if request.param == "sqlite" else postgres_site
    with make(SANDBOX_BACKEND="memory") as site:
        told = site.worker(module="tests.lessons.standing_worker")
    assert told["database"] == request.param
    return told


def test_one_query_reads_tasks_attempt_answers_and_sandbox(told: Any) -> None:
    assert told["queries"] == 1
    assert told["once"] == told["orm"]


def test_a_session_and_its_user_are_found_until_they_end(told: Any) -> None:
    session = told["session"]
    assert session["found"] == {"who": told["ada"]}
    assert session["is_ada"]
    assert session["expired"] == {}
    assert session["closed"] is None
