"""Viewers that never read, or read slowly: bounded memory, an end, and no harm to others (F15)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest

from tests.bench import processes
from tests.bench.returning import Pages, pages
from tests.bench.sockets import Closed, LiveSocket
from tests.faults import bad_lines
from tests.faults.bad_lines import Door
from tests.faults.table import Case
from tests.live.browser import Browser
from tests.live.byhand import Sampler
from tests.live.served import Served, served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("slow-viewers")]

STALLED, OTHERS = 20, 20
# 500 records a second, in frames as large as they become.
FLUSHES_PER_S, RECORDS, SIZE = 10.0, 50, 200
_WITHIN_S = 90.0
_MB_EACH = 1.0
_SLACK_MB = 10.0
_ACK_S = 1.0
# Longer than a viewer may owe before it is given less, shorter than before it is closed.
STALL_S = 9.0
RELOAD = "closed with 4408"


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    with served(LIVE_TABS_PER_USER="1000") as site:
        yield site


@pytest.fixture
def sampler(site: Served) -> Iterator[Sampler]:
    with (
        Sampler(site.valkey.url, site.sandbox.hex) as sampler,
        sampler.at_a_pace(FLUSHES_PER_S, count=RECORDS, size=SIZE),
    ):
        yield sampler


def door(site: Served) -> Door:
    return Door(port=site.port, path=site.path, cookie=site.cookies["ada"])


@pytest.mark.fault("F15", f"{STALLED} viewers that never read, beside {OTHERS} that do", holds="I9 I10")
def test_viewers_that_never_read_are_let_go_and_others_miss_nothing(
    site: Served, sampler: Sampler, case: Case
) -> None:
    tabs = [(site.path, site.cookies["ada"])] * OTHERS
    with pages(site.address, tabs) as others, contextlib.ExitStack() as stack:
        until_current(others, sampler)
        memory = processes.pss_mb([site.pid])
        case.cleared()
        stalled = [bad_lines.never_reads(door(site)) for _ in range(STALLED)]
        for line in stalled:
            stack.callback(line.close)
        ports, most = {line.port for line in stalled}, 0.0
        until = time.monotonic() + _WITHIN_S
        while processes.peers(site.port) & ports:
            assert time.monotonic() < until, "still held"
            most = max(most, processes.pss_mb([site.pid]) - memory)
            time.sleep(0.5)
        case.converged()
        told = until_current(others, sampler)

    assert (told, most <= STALLED * _MB_EACH + _SLACK_MB) == ((0, 0, OTHERS), True), most
    case.holds("I9", "I10")


def until_current(others: Pages, sampler: Sampler) -> tuple[int, int, int]:
    """Until every page is where the sampler is now; cuts, gaps and snapshots so far."""
    place, until = sampler.place, time.monotonic() + _WITHIN_S
    while (standing := others.standing(place)).current < OTHERS:
        assert time.monotonic() < until, standing
        time.sleep(0.1)
    return standing.cuts, standing.gaps, standing.snaps


@pytest.mark.fault("F15", "a viewer that reads and never says how far it is", holds="I9 I10")
def test_a_viewer_that_does_not_keep_up_is_told_to_come_back_and_then_misses_nothing(
    site: Served, sampler: Sampler, case: Case
) -> None:
    visit = Visit(site, Browser())
    assert visit.until_closed() == RELOAD
    case.holds("I10")
    case.cleared()
    again = Visit(site, visit.browser)
    place = sampler.place
    again.until(lambda: again.at(place))
    case.converged()

    check_whole(again)
    case.holds("I9")


@pytest.mark.fault("F15", f"a viewer that does not read for {STALL_S:.0f} s", holds="I9 I10")
def test_a_viewer_that_stalls_is_given_less_and_misses_nothing_that_is_not_accounted_for(
    site: Served, sampler: Sampler, case: Case
) -> None:
    visit = Visit(site, Browser(), acknowledging=True)
    visit.until(lambda: bool(visit.browser.snaps))
    time.sleep(STALL_S)
    case.cleared()
    visit.until(lambda: "skip" in visit.lanes)
    case.holds("I10")
    place = sampler.place
    visit.until(lambda: visit.at(place))
    case.converged()

    check_whole(visit)
    case.holds("I9")


def check_whole(visit: Visit) -> None:
    visit.socket.cut()
    assert visit.browser.snaps == 1
    assert not visit.browser.holes, "every record is in the account"
    assert not visit.browser.sent, "no gap in the sequence"


class Visit:
    """A page that goes on where its browser stands. acknowledging: it says every second how far it is."""

    def __init__(self, site: Served, browser: Browser, *, acknowledging: bool = False) -> None:
        self.browser, self.acknowledging = browser, acknowledging
        self._acked = time.monotonic()
        self.lanes: set[str] = set()
        self.socket = LiveSocket(site.address, site.path, site.cookies["ada"], room=4096)
        resume = {"epoch": browser.epoch, "seq": browser.seq} if browser.epoch else None
        self.socket.say(op="hello", view=["orders"], resume=resume)

    def at(self, place: dict[str, object]) -> bool:
        assert self.browser.epoch in {"", place["epoch"]}
        return self.browser.seq >= int(str(place["seq"]))

    def until(self, holds: Callable[[], bool]) -> None:
        until = time.monotonic() + _WITHIN_S
        while not holds():
            assert time.monotonic() < until, self.browser.seq
            if text := self.socket.hear(10):
                self.lanes.add(self.browser.hear(text.decode())["lane"])
            if self.acknowledging and time.monotonic() - self._acked > _ACK_S:
                self.socket.say(op="ack", seq=self.browser.seq)
                self._acked = time.monotonic()

    def until_closed(self) -> str:
        with pytest.raises(Closed) as closed:
            self.until(lambda: False)
        self.socket.cut()
        return str(closed.value)
