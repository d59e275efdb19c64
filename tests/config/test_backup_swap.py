"""Putting a restored installation in place: broken off after any step, finishing gives the whole of it."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from config.backup import swap

OLD = {
    "millrace.sqlite3": "old rows",
    "millrace.sqlite3-wal": "old journal",
    "secret.key": "old key",
    "stamps/course": "old",
    "beat-schedule.dat": "old times",
}
OLD |= {"sandboxes/a/data": "old a", "sandboxes/b/data": "old b", "log/web.log": "kept", "site.lock": "held"}
NEW = {"millrace.sqlite3": "new rows", "secret.key": "new key", "sandboxes/a/data": "new a"}

AFTER = NEW | {"log/web.log": "kept", "site.lock": "held"}
ASIDE = {name: text for name, text in OLD.items() if name not in {"log/web.log", "site.lock"}}


class PowerCut(BaseException):
    """Nobody catches this one."""


def lay_out(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def files_in(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    lay_out(tmp_path, OLD)
    lay_out(tmp_path / swap.STAGE, NEW)
    return tmp_path


def is_whole(data: Path) -> None:
    aside = data / "aside"
    now = {name: text for name, text in files_in(data).items() if not name.startswith("aside/")}
    assert now == AFTER
    assert files_in(aside) == ASIDE


def test_the_new_takes_the_place_of_the_old_and_the_old_is_kept(data: Path) -> None:
    swap.carry_out(data, "aside")

    is_whole(data)
    assert not swap.finish_interrupted(data)


def cut_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The power goes after so many renames and removals."""
    left = [steps]

    def counted(real: Callable[..., object]) -> Callable[..., object]:
        def step(*given: object, **more: object) -> object:
            if left[0] == 0:
                raise PowerCut
            left[0] -= 1
            return real(*given, **more)

        return step

    for name in ("rename", "replace", "unlink", "mkdir"):
        monkeypatch.setattr(os, name, counted(getattr(os, name)))


@pytest.mark.parametrize("steps", range(12))
def test_broken_off_after_any_step_it_is_finished_later(
    data: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    with monkeypatch.context() as patch:
        cut_after(steps, patch)
        try:
            swap.carry_out(data, "aside")
        except PowerCut:
            pass
        else:
            pytest.fail("there are fewer steps than this test believes")

    noted = (data / swap.NOTE).exists()
    assert swap.finish_interrupted(data) is noted
    if noted:
        is_whole(data)
    else:  # not yet begun: the old is all there
        assert {**files_in(data), **OLD} == files_in(data)


@pytest.mark.parametrize("steps", range(4, 11))
def test_the_finishing_may_be_broken_off_as_well(
    data: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    with monkeypatch.context() as patch:
        cut_after(3, patch)
        with pytest.raises(PowerCut):
            swap.carry_out(data, "aside")
    with monkeypatch.context() as patch:
        cut_after(steps - 3, patch)
        with pytest.raises(PowerCut):
            swap.finish_interrupted(data)

    assert swap.finish_interrupted(data)
    is_whole(data)


def test_into_an_empty_directory_it_simply_goes(tmp_path: Path) -> None:
    lay_out(tmp_path / swap.STAGE, NEW)

    swap.carry_out(tmp_path, "aside")

    assert files_in(tmp_path) == NEW


def test_two_in_the_same_second_keep_what_each_of_them_found(data: Path) -> None:
    first = swap.carry_out(data, "aside")
    lay_out(data / swap.STAGE, {name: f"{text}, again" for name, text in NEW.items()})

    second = swap.carry_out(data, "aside")

    assert files_in(first) == ASIDE
    assert files_in(second) == NEW
    assert files_in(data)["sandboxes/a/data"] == "new a, again"
