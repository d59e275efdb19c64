"""How the keeper looks after a program's limits; isolation/test_limits.py proves it in whole sandboxes."""

from __future__ import annotations

import signal
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


# A child whose own child outlives it; as the keeper is process 1 where it runs, it inherits that one.
ORPHANED = """
import ctypes, os, signal, sys, time
SUBREAPER = 36  # prctl(2)
ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
source = sys.stdin.read()
names = {"__name__": "keeper"}
exec(compile(source, "keeper.py", "exec"), names)
names["SCRATCH"] = sys.argv[1]
told, telling = os.pipe()
child = os.fork()
if child == 0:
    orphan = os.fork()
    if orphan:
        os.write(telling, str(orphan).encode())
    time.sleep(600)
orphan = int(os.read(told, 20))
stays = os.fork()
if stays == 0:
    time.sleep(600)
watchful = names["Keeper"].__new__(names["Keeper"])
watchful.hosts = {}
watchful.children = {pid: names["Child"](str(pid), pid, 0, 0, True) for pid in (child, stays)}
os.kill(child, signal.SIGKILL)
while child in watchful.children:
    watchful.reap()
print(os.waitpid(orphan, 0)[1], os.waitpid(stays, os.WNOHANG)[0])
os.kill(stays, signal.SIGKILL)
"""


@pytest.fixture
def source() -> str:
    """Of the keeper, without the last line, which would run it."""
    source, rest = Path(next(iter(local.__path__)), "keeper.py").read_text().rsplit("\nmain()", 1)
    assert not rest.strip()
    return source


@pytest.fixture
def keeper(source: str, tmp_path: Path) -> dict[str, Any]:
    """The names of its source."""
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


def test_what_a_child_leaves_behind_is_ended_and_no_other_child(source: str, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", ORPHANED, str(tmp_path)]
    done = subprocess.run(argv, input=source, capture_output=True, text=True, timeout=120)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{signal.SIGKILL.value} 0\n"
