from collections.abc import Iterator

import pytest

from tests.sandboxes.backends.local_host import LocalHost, running_host


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    """A real sandbox host for the tests of one module."""
    with running_host() as running:
        yield running
