"""Cut off again and again at random moments: is every record there, and there once?"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any

from tests.bench.figures import Figure
from tests.bench.proofs import Proof
from tests.bench.rounds import tell
from tests.bench.sockets import Closed, LiveSocket
from tests.bench.stage import Stage, Watched
from tests.bench.traffic import Place, Traffic, make_topic
from tests.live.browser import Browser

TOPIC = "bench-resume"
CUTS = 200
RATE = 80.0
_LISTEN_S = (0.0, 0.06)


class Page:
    """What a browser does with frames, and an account of what it should never have got."""

    def __init__(self) -> None:
        self.browser = Browser()
        self.twice = 0
        self.snaps_after_first = 0
        self.held: set[Place] = set()

    def take(self, frame: dict[str, Any]) -> None:
        browser = self.browser
        is_numbered = frame["lane"] in {"state", "events", "records", "skip"}
        if is_numbered and frame["e"] == browser.epoch and frame["s"] <= browser.seq:
            self.twice += 1
        if frame["lane"] == "snap" and browser.snaps:
            self.snaps_after_first += 1
        browser.take(frame)
        self.held |= {(p, o) for p, offsets in browser.offsets[TOPIC].items() for o in offsets[-200:]}

    @property
    def resume(self) -> dict[str, Any] | None:
        return {"epoch": self.browser.epoch, "seq": self.browser.seq} if self.browser.epoch else None

    def missing(self, acked: set[Place]) -> int:
        """Acknowledged records after the first snapshot that are not on the page."""
        return len(acked - self.held)

    @property
    def gaps(self) -> int:
        """Holes in the accounts and frames that were asked for again."""
        return len([h for h in self.browser.holes if h[2] != h[3]]) + len(self.browser.sent)

    @property
    def doubles(self) -> int:
        """Records shown twice, and frames sent twice."""
        return len([h for h in self.browser.holes if h[2] == h[3]]) + self.twice


def measure(stage: Stage) -> Iterator[Figure]:
    seed = random.randrange(1_000_000)
    tell(f"resume: seed {seed}")
    page, acked, took = _cut_often(stage.watched, random.Random(seed))
    gaps = page.gaps + page.missing(acked)
    note = f"{took:.0f} s, {len(acked)} records, {page.snaps_after_first} snapshots inside the window"
    yield Figure(bench="resume, gaps", value=gaps, unit=f"in {CUTS} cuts", goal="= 0", note=note)
    yield Figure(
        bench="resume, duplicates", value=page.doubles, unit=f"in {CUTS} cuts", goal="= 0", note=note
    )


def _cut_often(watched: Watched, chance: random.Random) -> tuple[Page, set[Place], float]:
    make_topic(watched.endpoint, TOPIC)
    page, began = Page(), time.monotonic()
    _listen(watched, page, 1.0)
    with Traffic(watched.endpoint, TOPIC, rate=RATE) as traffic:
        for _ in range(CUTS):
            _listen(watched, page, chance.uniform(*_LISTEN_S))
    _listen(watched, page, 1.5)
    return page, set(traffic.acked), time.monotonic() - began


def _listen(watched: Watched, page: Page, seconds: float) -> None:
    """Come, say where we were, hear for a while, and be cut off: perhaps in the middle of a frame."""
    student = watched.student
    socket = LiveSocket(student.address, watched.path, student.cookie_header)
    try:
        socket.say(op="hello", view=[TOPIC], resume=page.resume)
        until = time.monotonic() + seconds
        with contextlib.suppress(Closed):
            while (left := until - time.monotonic()) > 0 or page.resume is None:
                if text := socket.hear(max(left, 0.01)):
                    page.take(json.loads(text))
    finally:
        socket.cut()


def prove(_stage: Stage) -> Iterator[Proof]:
    """A frame that is dropped, and one that comes twice."""
    page = Page()
    page.take({"lane": "snap", "e": "1", "s": 0, "broker": {}, "topics": {}, "groups": {}, "records": {}})
    for s, o in ((1, 0), (3, 2), (2, 1), (2, 1), (3, 2), (4, 4)):
        page.take(_records(s, o))
    yield Proof(
        what="resume: a frame overtaken, a record lost", put_in=2, reported=page.gaps, unit="gaps", within=0
    )
    yield Proof(
        what="resume: a record not shown",
        put_in=1,
        reported=page.missing({(0, n) for n in range(5)}),
        unit="records",
        within=0,
    )
    yield Proof(what="resume: a frame twice", put_in=1, reported=page.doubles, unit="frames", within=0)


def _records(seq: int, offset: int) -> dict[str, Any]:
    part = {"p": 0, "first": offset, "last": offset, "seen": 1, "shown": 1, "bytes": 9}
    return {
        "lane": "records",
        "e": "1",
        "s": seq,
        "t": 0,
        "topic": TOPIC,
        "parts": [part],
        "records": [{"p": 0, "o": offset}],
    }
