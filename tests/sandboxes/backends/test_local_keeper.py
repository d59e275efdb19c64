"""How the keeper looks after a program's limits; isolation/test_limits.py proves it in whole sandboxes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandboxes.backends import local

FAMILY = """
import os, sys, time
for _ in range(3):
    if os.fork() == 0:
        break
os.write(1, b"here\\n")
sys.stdin.read()
"""


@pytest.fixture
def keeper(tmp_path: Path) -> dict[str, Any]:
    """The names of its source; the last line, which would run it, is left out."""
    source, rest = Path(next(iter(local.__path__)), "keeper.py").read_text().rsplit("\nmain()", 1)
    assert not rest.strip()
    names: dict[str, Any] = {"__name__": "keeper"}
    exec(compile(source, "keeper.py", "exec"), names)
    names["SCRATCH"] = str(tmp_path)
    return names


@pytest.fixture
def program() -> Iterator[subprocess.Popen[str]]:
    """A program of four processes."""
    argv = [sys.executable, "-c", FAMILY]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for _ in range(4):
            assert process.stdout.readline() == "here\n"
        yield process


def test_memory_is_looked_at_between_the_files_of_any_two_processes(
    keeper: dict[str, Any], program: subprocess.Popen[str]
) -> None:
    """Each may have tens of thousands of maps; to read all of them takes seconds, in which it could burst."""
    base: Any = keeper["Keeper"]

    class Watchful(base):  # type: ignore[misc]  # of no known type
        def __init__(self) -> None:
            self.memory_device, self.looks = 0, 0
            self.children = {program.pid: keeper["Child"]("program", program.pid, 1 << 30, 1 << 30, True)}

        def look_at_memory(self) -> None:
            self.looks += 1

    watchful = Watchful()
    watchful.look_at_unlinked()

    assert watchful.looks == len(watchful.family(program.pid)) == 4
