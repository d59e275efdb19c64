"""One student can make as many consumer groups as they like; the view of all others must not pay for it."""

import pytest

from live.decoders import Commit
from live.picture import MOST_GROUPS, Picture
from live.sources import GroupPoll
from sandboxes.wire.groups import ListedGroup


@pytest.fixture
def picture() -> Picture:
    return Picture(touch=lambda: None)


def fold(picture: Picture, count: int) -> None:
    for number in range(count):
        picture.fold(Commit(group=f"g{number}", topic="orders", partition=0, offset=1))


def test_so_many_groups_are_shown_and_it_is_said_once_that_there_are_more(picture: Picture) -> None:
    fold(picture, MOST_GROUPS + 50)

    assert len(picture.groups) == MOST_GROUPS
    assert [note["kind"] for note in picture.take_notes()] == ["crowded"]


def test_a_group_that_is_shown_goes_on_being_told(picture: Picture) -> None:
    fold(picture, MOST_GROUPS + 50)
    picture.fold(Commit(group="g7", topic="orders", partition=0, offset=9))

    assert picture.groups["g7"].committed["orders"][0] == 9


def test_of_a_long_list_only_so_many_are_asked_about(picture: Picture) -> None:
    fold(picture, 10)
    listed = [ListedGroup(group=f"g{n}", protocol="", state="Empty", kind="classic") for n in range(5000)]

    taken = GroupPoll(None, picture, after=None)._taken(listed)  # type: ignore[arg-type]

    assert len(taken) == MOST_GROUPS
