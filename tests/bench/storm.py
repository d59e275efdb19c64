"""The web process is killed under a thousand pages and started again: when are all of them current again?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.returning import Pages, pages
from tests.bench.rounds import measured, tell
from tests.bench.stage import Stage
from tests.live.byhand import Sampler
from tests.live.served import Served, served

CLIENTS = 1000
ROUNDS = 2
PACE = 5.0
_PATIENCE_S = 60.0
_EVERY_S = 0.1
_SETTLE_S = 2.0

Round = tuple[float, float, int]


def measure(_stage: Stage) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory(prefix="mr-storm-") as folder:
        counted = str(Path(folder) / "queries")
        with (
            served(
                FURNISHED_SESSIONS=str(CLIENTS), LIVE_TABS_PER_USER="5000", COUNTED_QUERIES=counted
            ) as site,
            Sampler(site.valkey.url, site.sandbox.hex) as sampler,
            sampler.at_a_pace(PACE),
            pages(site.address, _tabs(site)) as crowd,
        ):
            _until_current(crowd, sampler.place)
            rounds = measured("storm", ROUNDS, lambda _: _round(site, sampler, crowd), spare=1)
    took, queries, gaps = ([one[i] for one in rounds] for i in range(3))
    note = f"{CLIENTS} pages after a kill -9; {sum(gaps)} gaps"
    yield Figure(
        bench="storm, start of the web process -> all current",
        value=middle(took),
        worst=max(took),
        unit="s",
        goal="<= 15",
        note=note,
    )
    yield Figure(
        bench="storm, queries for each page",
        value=middle(queries),
        worst=max(queries),
        unit="queries",
        goal="<= 2",
        note="sessions and owners are looked up for many at once",
    )
    yield Figure(bench="storm, gaps", value=sum(gaps), unit="", goal="= 0", note=note)


def _tabs(site: Served) -> list[tuple[str, str]]:
    """One sandbox, watched from so many browsers, each with a session of its own."""
    return [(site.path, cookie) for cookie in site.tabs]


def _until_current(crowd: Pages, place: dict[str, Any], count: int = CLIENTS) -> float:
    """Until all pages stand at or beyond a place; how long it took, seconds."""
    began = time.monotonic()
    while (standing := crowd.standing(place)).current < count:
        assert time.monotonic() - began < _PATIENCE_S, f"not all came back: {standing}"
        time.sleep(_EVERY_S)
    return time.monotonic() - began


def _round(site: Served, sampler: Sampler, crowd: Pages) -> Round:
    time.sleep(_SETTLE_S)
    gaps = crowd.standing(sampler.place).gaps
    site.kill()
    time.sleep(1.0)
    site.start()
    place, asked = sampler.place, site.queries
    took = _until_current(crowd, place)
    tell(f"storm: {took:.1f} s, {site.queries - asked} queries")
    return took, (site.queries - asked) / CLIENTS, crowd.standing(place).gaps - gaps


def prove(_stage: Stage) -> Iterator[Proof]:
    """Pages without a web process are not current, and none is before it is where it should be."""
    few, later_s = 20, 4.0
    with (
        served(FURNISHED_SESSIONS=str(few)) as site,
        Sampler(site.valkey.url, site.sandbox.hex) as sampler,
        sampler.at_a_pace(PACE),
        pages(site.address, _tabs(site)) as crowd,
    ):
        _until_current(crowd, sampler.place, few)
        took = _until_current(crowd, _place_in(sampler, later_s), few)
        site.kill()
        time.sleep(1.0)
        left = crowd.standing(sampler.place).current
    yield Proof(
        what="storm: pages left current without a server",
        put_in=few,
        reported=few - left,
        unit="pages",
        within=0,
    )
    yield Proof(what="storm: a place reached later", put_in=later_s, reported=took, unit="s")


def _place_in(sampler: Sampler, seconds: float) -> dict[str, Any]:
    """Where the sequence will stand then, if it goes on as it did for as long."""
    before = sampler.place
    time.sleep(seconds)
    after = sampler.place
    return after | {"seq": 2 * int(str(after["seq"])) - int(str(before["seq"]))}
