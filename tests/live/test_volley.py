"""Frames of one moment: whoever gets all of them gets them in one step, everybody else exactly their own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from live.frames import Lane
from live.outgoing import MESSAGE_BYTES
from live.stream import Envelope
from live.viewer import Viewer
from live.volley import Volley


def frame(seq: int, topic: str = "", size: int = 0) -> Envelope:
    lane = Lane.RECORDS if topic else Lane.STATE
    fields = {"lane": lane.value, "e": "1", "s": seq, "x": "x" * size}
    return Envelope(epoch="1", seq=seq, t=0, lane=lane, topic=topic, data=json.dumps(fields).encode())


def viewer_at(seq: int, *topics: str) -> Viewer:
    viewer = Viewer(topics)
    viewer.stand_at("1", seq)
    return viewer


def got(viewer: Viewer) -> list[tuple[str, int]]:
    found: list[dict[str, Any]] = [json.loads(text) for text in viewer.outgoing.take_all()]
    return [(one["lane"], one["s"]) for one in found]


VOLLEY = Volley([frame(5), frame(6, "orders"), frame(7, "payments")])


async def test_who_views_everything_in_it_gets_it_as_one_message_and_acknowledges_it_as_one() -> None:
    viewer = viewer_at(4, "orders", "payments")
    viewer.offer_all(VOLLEY)
    assert await viewer.outgoing.next() == VOLLEY.together
    assert (len(viewer._owed), viewer._owed_bytes) == (1, len(VOLLEY.together))
    viewer.acknowledge(6)
    assert viewer._owed_bytes
    viewer.acknowledge(7)
    assert not viewer._owed_bytes


def test_who_views_less_gets_a_skip_for_the_rest() -> None:
    viewer = viewer_at(4, "payments")
    viewer.offer_all(VOLLEY)
    assert got(viewer) == [("state", 5), ("skip", 6), ("records", 7)]


@pytest.mark.parametrize("seq", range(4, 9))
def test_who_has_some_of_it_already_gets_what_is_new(seq: int) -> None:
    viewer = viewer_at(seq, "orders", "payments")
    viewer.offer_all(VOLLEY)
    assert [s for _, s in got(viewer)] == list(range(seq + 1, 8))


def test_who_was_told_nothing_of_the_frame_before_is_told_of_that_first() -> None:
    viewer = viewer_at(3, "orders", "payments")
    viewer.offer_all(Volley([frame(4, "others")]))
    viewer.offer_all(VOLLEY)
    assert got(viewer) == [("skip", 4), ("state", 5), ("records", 6), ("records", 7)]


def test_who_stands_in_another_epoch_or_pauses_gets_nothing() -> None:
    elsewhere, paused = Viewer(["orders", "payments"]), viewer_at(4, "orders", "payments")
    elsewhere.stand_at("2", 4)
    paused.is_paused = True
    for viewer in (elsewhere, paused):
        viewer.offer_all(VOLLEY)
        assert got(viewer) == []


async def test_what_is_too_much_for_one_message_comes_as_several() -> None:
    viewer = viewer_at(0, "orders")
    viewer.offer_all(Volley([frame(seq, "orders", MESSAGE_BYTES // 2) for seq in (1, 2, 3)]))
    sizes = []
    while viewer.outgoing:
        sizes.append(len(await viewer.outgoing.next() or ""))
    assert len(sizes) == 3
    assert max(sizes) <= MESSAGE_BYTES
