"""The local backend keeps the contract, with real brokers, programs and files."""

from collections.abc import Iterator

import pytest

from sandboxes.backends.base import Backend
from tests.sandboxes.backends.contract import BackendContract
from tests.sandboxes.backends.local_host import LocalHost, running_host


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host
        assert " ERROR " not in host.log, host.log


@pytest.mark.kafka
class TestLocalBackend(BackendContract):
    @pytest.fixture
    def backend(self, host: LocalHost) -> Backend:
        return host.backend
