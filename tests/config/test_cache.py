"""Without Redis, tries are counted in memory; with it again, in Redis again."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from redis import Redis

from config.cache import SteadyCache
from tests import make
from tests.live.valkey import running_valkey


@pytest.fixture(autouse=True)
def _listening() -> Iterator[None]:
    SteadyCache._silent_until = 0.0
    yield
    SteadyCache._silent_until = 0.0


def cache_at(socket: Path) -> SteadyCache:
    return SteadyCache(f"unix://{socket}", {})


@pytest.mark.logs("cache.away")
def test_without_redis_counting_goes_on_in_memory(tmp_path: Path) -> None:
    cache = cache_at(tmp_path / "nobody.sock")

    assert cache.add("tries", 1)
    assert not cache.add("tries", 1)
    assert cache.incr("tries") == 2
    assert cache.get("tries") == 2
    assert cache.delete("tries")


@pytest.mark.logs("cache.away")
def test_a_missing_redis_is_asked_once_and_then_left_alone(tmp_path: Path) -> None:
    cache = cache_at(tmp_path / "nobody.sock")
    cache.get("first")

    began = time.perf_counter()
    for _ in range(200):
        cache.get("again")

    assert time.perf_counter() - began < 5  # not two hundred tries


@pytest.mark.logs("cache.away")
@pytest.mark.django_db
def test_one_signs_in_and_is_slowed_down_while_redis_is_away(tmp_path: Path, settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "config.cache.SteadyCache", "LOCATION": f"unix://{tmp_path / 'nobody.sock'}"}
    }
    make.user("ada")

    def sign_in(password: str) -> int:
        return Client().post("/accounts/login/", {"login": "ada", "password": password}).status_code

    assert sign_in(make.PASSWORD) == 302
    assert [sign_in("wrong") for _ in range(6)] == [200] * 5 + [429]


@pytest.mark.logs("cache.away")
def test_redis_is_used_again_when_it_is_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("config.cache.SILENCE_S", 0.0)

    with running_valkey() as valkey:
        cache, other_process = cache_at(valkey.socket), cache_at(valkey.socket)
        valkey.stop()
        cache.set("where", "memory")
        valkey.start()
        cache.set("where", "redis")

        assert other_process.get("where") == "redis"


def test_tries_are_counted_together_by_all_processes_and_forgotten_after_their_time() -> None:
    with running_valkey() as valkey:
        cache, other_process = cache_at(valkey.socket), cache_at(valkey.socket)

        assert cache.count([("ada", 60), ("class", 60), ("class", 60)]) == [1, 1, 2]
        assert other_process.count([("ada", 60), ("class", 60)]) == [2, 3]

        assert cache.count([("short", 1)]) == [1]
        until = time.monotonic() + 60
        while other_process.get("short") is not None:
            assert time.monotonic() < until
            time.sleep(0.05)
        assert cache.count([("short", 60), ("ada", 60)]) == [1, 3]


@pytest.mark.logs("cache.away")
def test_without_redis_tries_are_counted_in_memory(tmp_path: Path) -> None:
    cache = cache_at(tmp_path / "nobody.sock")

    assert cache.count([("ada", 60), ("class", 60), ("class", 60)]) == [1, 1, 2]
    assert cache.count([("class", 60)]) == [3]


def test_the_caches_of_a_process_share_their_connections() -> None:
    """Django makes a cache for each request."""
    with running_valkey() as valkey, Redis.from_url(f"unix://{valkey.socket}") as redis:
        before = redis.info("stats")["total_connections_received"]
        for _ in range(5):
            cache_at(valkey.socket).count([("ada", 60)])
            cache_at(valkey.socket).get("ada")

        assert redis.info("stats")["total_connections_received"] == before + 1
