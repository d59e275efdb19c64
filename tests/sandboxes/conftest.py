from collections.abc import Callable, Iterator

import pytest

from accounts.models import User
from sandboxes import provisioning
from tests.sandboxes import doubles

Use = Callable[[str], None]


@pytest.fixture(autouse=True)
def use_backend(settings: object) -> Iterator[Use]:
    """A fresh, instant backend for each test; call the fixture with another double's name to change it."""

    def use(name: str) -> None:
        settings.SANDBOX_BACKEND = f"{doubles.HERE}.{name}"  # type: ignore[attr-defined]
        provisioning._backend.cache_clear()

    doubles.forget_everything()
    use("InstantBackend")
    yield use
    provisioning._backend.cache_clear()


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password="counting-on-it")


@pytest.fixture
def edsger(db: None) -> User:
    return User.objects.create_user("edsger", password="goto-considered")
