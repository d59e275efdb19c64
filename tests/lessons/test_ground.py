"""What a lab lays down in a workspace, and what it leaves alone."""

import json

import pytest

from lessons import ground
from lessons.labs import Lab
from sandboxes.backends.base import FileRefused, FileText, Spec
from sandboxes.backends.memory import MemoryBackend
from sandboxes.backends.memory.workspace import MemoryWorkspace
from tests.lessons import labs

STARTER = {"producer.py": "print('begin here')\n", "notes.md": "# Notes\n"}


class GrownWorkspace(MemoryWorkspace):
    """One whose producer.py a program made larger than may be shown."""

    def read_file(self, path: str, max_bytes: int = 0) -> FileText:
        if path.endswith("producer.py"):
            raise FileRefused("producer.py is too large to show.")
        return super().read_file(path)


@pytest.fixture
def backend() -> MemoryBackend:
    backend = MemoryBackend(pace_s={})
    backend.ensure(Spec(sandbox_id="one"))
    return backend


@pytest.fixture
def lab() -> Lab:
    return labs.lab()


def test_what_is_missing_is_laid_down_and_what_a_student_wrote_stays(
    backend: MemoryBackend, lab: Lab
) -> None:
    space = backend.workspace("one")
    space.write_file(f"{lab.slug}/producer.py", "mine\n")

    ground.write_files(space, lab, STARTER, nonce="abc", seed=7)

    assert space.read_file(f"{lab.slug}/producer.py").text == "mine\n"
    assert space.read_file(f"{lab.slug}/notes.md").text == "# Notes\n"
    told = json.loads(space.read_file(f"{lab.slug}/lab.json").text)
    assert told == {"lab": lab.id, "nonce": "abc", "seed": 7}


def test_a_file_that_cannot_be_shown_keeps_nobody_from_beginning(backend: MemoryBackend, lab: Lab) -> None:
    backend.workspace("one").write_file(f"{lab.slug}/producer.py", "grown\n")

    ground.write_files(GrownWorkspace(backend.store, "one"), lab, STARTER, nonce="abc", seed=7)

    assert backend.workspace("one").read_file(f"{lab.slug}/producer.py").text == "grown\n"
