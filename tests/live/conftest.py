"""One Valkey per test run, emptied for each test; feeds that speak to it."""

from collections.abc import AsyncIterator, Iterator

import pytest

from live.feed import Feed, connect
from tests.live.valkey import Valkey, running_valkey


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def feed(shared_valkey: Valkey) -> AsyncIterator[Feed]:
    """A client of an empty Valkey."""
    redis = connect(shared_valkey.url)
    await redis.flushall()
    yield Feed(redis)
    await redis.aclose()
