"""Trees of untrusted programs: all that is in them is counted, and whatever they are they can be removed."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandboxes.backends.base import Phase
from sandboxes.backends.local import ground, trees
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.trees import Usage
from tests.sandboxes.backends.empty_house import sandbox_in
from tests.sandboxes.backends.local_host import LocalHost, run_program, running_host

PLENTY = Usage(1 << 40, 1_000_000)
MIB = 1024 * 1024
DEEP = """
import os
for _ in range(1500):
    os.mkdir("d")
    os.chdir("d")
open("bottom", "w").close()
"""


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    made = tmp_path / "root"
    made.mkdir()
    yield made
    trees.remove(made)  # pytest's own way would give up on a deep one


def dig(root: Path, *, name: str, levels: int) -> int:
    """Folders in folders; the innermost, open."""
    at = os.open(root, os.O_DIRECTORY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_DIRECTORY, dir_fd=at)
        os.close(at)
        at = below
    return at


def fill(folder: int, size: int) -> None:
    descriptor = os.open("filler", os.O_CREAT | os.O_WRONLY, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(os.urandom(size))


def test_what_lies_deeper_than_any_path_is_long_is_counted(root: Path) -> None:
    at = dig(root, name="n" * 250, levels=40)
    fill(at, 4 * MIB)
    os.close(at)

    seen = trees.usage(root, most=PLENTY)

    assert seen.files == 41
    assert seen.size >= 4 * MIB


def test_a_count_ends_where_there_is_too_much(root: Path) -> None:
    for number in range(50):
        (root / str(number)).touch()

    assert trees.usage(root, most=Usage(1 << 40, 10)).files == 11


def test_entries_that_come_and_go_hide_nothing(root: Path) -> None:
    (root / "big").write_bytes(os.urandom(4 * MIB))
    over = threading.Event()

    def churn(name: str) -> None:
        number = 0
        while not over.is_set():
            path = root / f"{name}{number % 50}"
            path.touch()
            path.unlink()
            number += 1

    threads = [threading.Thread(target=churn, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    try:
        seen = [trees.usage(root, most=PLENTY).size for _ in range(500)]
    finally:
        over.set()
        for thread in threads:
            thread.join()

    assert min(seen) >= 4 * MIB


def test_a_folder_without_rights_is_counted_and_removed(root: Path) -> None:
    closed = root / "closed"
    closed.mkdir()
    (closed / "big").write_bytes(os.urandom(MIB))
    closed.chmod(0)

    assert trees.usage(root, most=PLENTY).size >= MIB
    trees.remove(closed)
    assert not closed.exists()


def test_a_link_is_counted_and_never_followed(root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (root / "link").symlink_to(outside)

    assert trees.usage(root, most=PLENTY).files == 1
    trees.remove(root)
    assert (outside / "kept").exists()
    root.mkdir()


def test_what_is_not_there_is_nothing_and_is_removed(tmp_path: Path) -> None:
    assert trees.usage(tmp_path / "moon", most=PLENTY) == Usage(0, 0)
    trees.remove(tmp_path / "moon")


def test_a_home_is_removed_however_deep_its_folders_are(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    for folder in (home.run, home.data, home.work, home.logs):
        folder.mkdir(parents=True)
    os.close(dig(home.work, name="d", levels=1500))

    ground.remove_home(home)

    assert not home.root.exists()


@pytest.mark.logs("sandbox.driver", "sandbox.failed")
async def test_a_removal_that_failed_is_tried_again_when_it_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = sandbox_in(tmp_path)
    with monkeypatch.context() as broken:
        broken.setattr(ground, "remove_home", fail)
        one.want("gone")
        await until_idle(one)
    first = one.observe().phase

    one.want("gone")
    await until_idle(one)

    assert (first, one.observe().phase) == (Phase.STOPPED, Phase.ABSENT)
    assert not one.home.root.exists()


def fail(home: Home) -> None:
    raise RuntimeError("something is in the way")


async def until_idle(one: LocalSandbox) -> None:
    async with asyncio.timeout(60):
        while one._driver.is_busy:
            await asyncio.sleep(0.01)


@pytest.fixture(scope="module")
def host() -> Iterator[LocalHost]:
    with running_host() as host:
        yield host


@pytest.mark.kafka
def test_a_sandbox_with_folders_without_end_can_be_destroyed(host: LocalHost) -> None:
    sandbox_id = host.start()
    ended, _ = run_program(host.backend.workspace(sandbox_id), DEEP)
    assert ended.exit_code == 0

    host.destroy(sandbox_id)

    assert host.backend.inventory() == ()
