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


def test_a_look_at_files_can_be_broken_off_after_any_process(
    keeper: dict[str, Any], program: subprocess.Popen[str]
) -> None:
    """Each may have tens of thousands of maps; all of them take seconds, in which others wait."""
    watchful = keeper["Keeper"].__new__(keeper["Keeper"])
    watchful.memory_device = 0
    watchful.children = {program.pid: keeper["Child"]("program", program.pid, 1 << 30, 1 << 30, True)}
    family = keeper["family"](program.pid, keeper["all_below"]())
    assert len(family) == 4

    work = watchful.look_at_unlinked()
    pauses = 0
    while keeper["goes_on"](work, 0):  # no time at all: one process at each go
        pauses += 1

    assert pauses == len(family)


def test_whoever_has_ended_during_the_look_is_not_ended_again(
    keeper: dict[str, Any], program: subprocess.Popen[str]
) -> None:
    """Its number may be another's by then."""
    watchful = keeper["Keeper"].__new__(keeper["Keeper"])
    watchful.memory_device = 0
    child = keeper["Child"]("program", program.pid, 0, 0, True)
    child.unlinked = -1  # whatever it holds is too much
    watchful.children = {program.pid: child}

    work = watchful.look_at_unlinked()
    next(work)
    del watchful.children[program.pid]

    assert list(work) == [None] * 3
    assert program.poll() is None
    assert not child.reason
