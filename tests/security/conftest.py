import pytest

from tests.security.stage import Scene, set_scene


@pytest.fixture
def scene(db: None) -> Scene:
    return set_scene()
