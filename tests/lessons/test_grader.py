"""The grader process: news become doorbells, few and soon, and what was missed is rung for anyway."""

import asyncio
from collections.abc import Iterable
from itertools import pairwise
from uuid import UUID, uuid4

import pytest
from redis import Redis

from lessons import grader
from lessons.grader import LONGEST_S, QUIET_S, Debounce, Grader, open_attempts
from lessons.models import Attempt
from sandboxes.announce import announce
from sandboxes.layer import SiteLayer
from tests import make
from tests.lessons import rows
from tests.live.valkey import Valkey, running_valkey

BOX = uuid4()


def test_a_doorbell_waits_until_it_has_been_quiet() -> None:
    news = Debounce()
    news.news(BOX, 10.0)
    news.news(BOX, 10.1)

    assert news.due(10.1 + QUIET_S - 0.01) == []
    assert news.due(10.1 + QUIET_S) == [BOX]
    assert news.due(99.0) == []


def test_news_without_end_rings_at_least_once_a_second() -> None:
    news, rang = Debounce(), []
    for tick in range(50):
        now = tick * 0.1
        news.news(BOX, now)
        rang += [now for _ in news.due(now)]

    assert len(rang) == 4
    assert max(b - a for a, b in pairwise(rang)) < LONGEST_S + 0.25


def test_the_next_ring_is_known_in_advance() -> None:
    news = Debounce()
    assert news.next_at() is None

    news.news(BOX, 10.0)

    assert news.next_at() == 10.0 + QUIET_S


@pytest.mark.django_db
def test_only_open_attempts_in_sandboxes_that_are_up_are_rung_for() -> None:
    version, found = rows.two_task_lab(), {}
    for state in ("ready", "suspended", "provisioning", "degraded"):
        user = make.student()
        attempt = rows.attempt(user, version, rows.sandbox(user, state))
        found[state] = attempt
    rows.attempt(make.student(), version, None)
    Attempt.objects.filter(pk=found["degraded"].pk).update(ended_at=found["degraded"].activated_at)

    assert open_attempts() == {found["ready"].sandbox_id: [found["ready"].pk]}


@pytest.fixture(scope="module")
def valkey() -> Iterable[Valkey]:
    with running_valkey() as running:
        yield running


class Bell:
    """Counts the rings of each attempt."""

    def __init__(self) -> None:
        self.rang: list[UUID] = []
        self.heard = asyncio.Event()

    def ring(self, attempts: Iterable[UUID]) -> None:
        self.rang += attempts
        self.heard.set()


async def test_a_changed_cluster_rings_for_its_attempts_and_no_others(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other, attempt, its = uuid4(), uuid4(), uuid4(), uuid4()
    monkeypatch.setattr(grader, "open_attempts", lambda: {mine: [attempt], other: [its]})
    monkeypatch.setattr(Grader, "_follow_programs", lambda self: None)
    monkeypatch.setattr(grader, "keep_watched", lambda _id: None)
    bell = Bell()
    running = asyncio.create_task(Grader(redis_url=valkey.url, ringer=bell.ring).run())
    try:
        await asyncio.wait_for(bell.heard.wait(), 5)  # at first everybody is rung for
        await asyncio.sleep(QUIET_S)
        bell.rang.clear()
        with Redis.from_url(valkey.url) as client:
            for _ in range(20):
                client.publish(f"changed:{mine.hex}", "{}")
                client.publish(f"changed:{uuid4().hex}", "{}")
                client.publish("changed:nonsense", "{}")
        await asyncio.sleep(QUIET_S + 0.4)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert bell.rang == [attempt]


async def test_a_saved_file_is_looked_at_long_before_the_next_round_that_comes_anyway(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, attempt = uuid4(), uuid4()
    monkeypatch.setattr(grader, "open_attempts", lambda: {mine: [attempt]})
    monkeypatch.setattr(grader, "SAFETY_S", 600.0)
    monkeypatch.setattr(Grader, "_follow_programs", lambda self: None)
    monkeypatch.setattr(grader, "keep_watched", lambda _id: None)
    monkeypatch.setattr("sandboxes.announce.get_channel_layer", lambda: SiteLayer([valkey.url]))
    bell = Bell()
    running = asyncio.create_task(Grader(redis_url=valkey.url, ringer=bell.ring).run())
    try:
        await asyncio.wait_for(bell.heard.wait(), 60)
        await asyncio.sleep(QUIET_S)
        bell.rang.clear()
        bell.heard.clear()
        await asyncio.to_thread(announce, mine, "files", path="lab/observed.json", version="2")
        await asyncio.wait_for(bell.heard.wait(), 60)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert bell.rang == [attempt]
