from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from live import process
from tests.live.valkey import Valkey, running_valkey
from tests.security.stage import Scene, set_scene


@pytest.fixture
def scene(db: None) -> Scene:
    return set_scene()


@pytest.fixture(scope="session")
def shared_valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def redis(shared_valkey: Valkey, settings: Any) -> AsyncIterator[Valkey]:
    """A real Redis for the sockets of this process, which are forgotten at the end."""
    settings.REDIS_URL = shared_valkey.url
    yield shared_valkey
    await process.close_all()
