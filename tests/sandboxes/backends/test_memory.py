"""The memory backend keeps the contract, alone in its process and shared through a file."""

from pathlib import Path

import pytest

from sandboxes.backends.base import Backend, Spec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.backends.memory.store import FileStore, ProcessStore
from tests.sandboxes.backends.contract import BackendContract

PACE_S = {"namespaces": 0.01, "kafka": 0.05, "probe": 0.01}


class TestMemoryBackend(BackendContract):
    @pytest.fixture
    def backend(self) -> Backend:
        return MemoryBackend(pace_s=PACE_S, store=ProcessStore())


class TestSharedMemoryBackend(BackendContract):
    @pytest.fixture
    def backend(self, tmp_path: Path) -> Backend:
        return MemoryBackend(pace_s=PACE_S, store=FileStore(tmp_path / "sandboxes.json"))


def test_two_processes_see_the_same_sandboxes_through_a_file(tmp_path: Path) -> None:
    one, other = (MemoryBackend(pace_s={}, store=FileStore(tmp_path / "shared.json")) for _ in range(2))
    sandbox_id = "3f0f6a44c4a04f0c8f7a6a2c9a5f1b2d"

    one.ensure(Spec(sandbox_id=sandbox_id))

    assert other.inventory() == (sandbox_id,)


def test_a_start_goes_through_its_stages_in_order() -> None:
    backend = MemoryBackend(pace_s={"namespaces": 1.0, "kafka": 2.0, "probe": 1.0})

    assert [backend._stage(elapsed) for elapsed in (0, 1.5, 3.5, 5)] == [
        "namespaces",
        "kafka",
        "probe",
        "",
    ]
