"""Cut off again and again at random moments: is every record there, and there once?"""

from __future__ import annotations

import contextlib
import json
import random
import time
from collections.abc import Iterator
from typing import Any

from tests.bench import rounds
from tests.bench.figures import Figure
from tests.bench.proofs import Proof
from tests.bench.rounds import tell
from tests.bench.sockets import Closed, LiveSocket
from tests.bench.stage import Stage, Watched
from tests.bench.traffic import Place, Traffic, make_topic
from tests.live.browser import Browser
from tests.live.byhand import Sampler
from tests.live.served import Served, served

TOPIC = "bench-resume"
CUTS = 1000
QUICK_CUTS = 100
# Left for so many frames that the window is over: its ring holds 1,024.
AWAY_FLUSHES = 600
RETURNS = 5
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
    cuts = QUICK_CUTS if rounds.is_quick() else CUTS
    page, acked, took = _cut_often(stage.watched, random.Random(seed), cuts)
    gaps = page.gaps + page.missing(acked)
    note = f"{took:.0f} s, {len(acked)} records, {page.snaps_after_first} snapshots inside the window"
    yield Figure(bench="resume, gaps", value=gaps, unit=f"in {cuts} cuts", goal="= 0", note=note)
    yield Figure(
        bench="resume, duplicates", value=page.doubles, unit=f"in {cuts} cuts", goal="= 0", note=note
    )
    yield Figure(
        bench="resume outside the window without a word",
        value=sum(not told for told in _returns_after_long()),
        unit=f"in {RETURNS} returns",
        goal="= 0",
        note="each was told which frames will not come, then given a snapshot, before anything else",
    )


def _returns_after_long() -> Iterator[bool]:
    """Whether a page that comes back too late is told so."""
    with served() as site, Sampler(site.valkey.url, site.sandbox.hex) as sampler:
        for _ in range(RETURNS):
            page = Browser()
            _visit(site, page, until={"snap"})
            for _ in range(AWAY_FLUSHES):
                sampler.produce()
            yield is_told(_visit(site, page, until={"snap", "records"}))


def _visit(site: Served, page: Browser, until: set[str]) -> list[dict[str, Any]]:
    """The frames up to the first of these lanes."""
    socket = LiveSocket(site.address, site.path, site.cookies["ada"])
    heard: list[dict[str, Any]] = []
    resume = {"epoch": page.epoch, "seq": page.seq} if page.epoch else None
    socket.say(op="hello", view=["orders"], resume=resume)
    while not heard or heard[-1]["lane"] not in until:
        text = socket.hear(10)
        assert text, "the site says nothing"
        heard.append(json.loads(text))
        page.take(heard[-1])
    socket.cut()
    return heard


def is_told(heard: list[dict[str, Any]]) -> bool:
    """Said what is lost, exactly, and began anew."""
    lanes = [frame["lane"] for frame in heard]
    if lanes[-2:] != ["lost", "snap"] or {"state", "records", "events"} & set(lanes):
        return False
    return bool(heard[-2]["to"] == heard[-1]["s"] and heard[-2]["from"] <= heard[-2]["to"])


def _cut_often(watched: Watched, chance: random.Random, cuts: int) -> tuple[Page, set[Place], float]:
    make_topic(watched.endpoint, TOPIC)
    page, began = Page(), time.monotonic()
    _listen(watched, page, 1.0)
    with Traffic(watched.endpoint, TOPIC, rate=RATE) as traffic:
        for _ in range(cuts):
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
    silent = [{"lane": "hello"}, _records(9, 9)]
    yield Proof(
        what="resume: a return without a word",
        put_in=1,
        reported=not is_told(silent),
        unit="returns",
        within=0,
    )


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
