"""Lines half open, asleep, cut when idle, or one byte a second: let go, and resumed without a gap (F13).

All of them are opened at once, since what is waited for is mostly time.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest
from redis import Redis

from config.patience import HEAD_BYTES, REQUEST_S
from tests.bench import processes
from tests.bench.returning import Pages, pages
from tests.faults import bad_lines
from tests.faults.bad_lines import Door, Line, asleep
from tests.faults.table import Case
from tests.live.byhand import Sampler
from tests.live.proxies import IdleCuttingProxy, running
from tests.live.served import ROOT, Served, served

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("bad-lines")]

PACE = 4.0
_FREED_WITHIN_S = 90.0
_CURRENT_WITHIN_S = 60.0
_QUIET, _BUSY = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    name: str
    make: Callable[[Door], Line]
    where: int = _QUIET
    path: str = "/ws/live/{}/"
    who: str = ""


KINDS = [
    Kind(name="reads one byte a second", make=bad_lines.reads_one_byte_a_second, where=_BUSY),
    Kind(name="reads one byte a second, nothing happens", make=bad_lines.reads_one_byte_a_second),
    Kind(name="reads nothing, nothing happens", make=bad_lines.never_reads),
    Kind(name="workspace, not read", make=bad_lines.opened_and_left, path="/ws/workspace/{}/"),
    Kind(
        name="staff's overview, not read", make=bad_lines.opened_and_left, path="/ws/overview/", who="grace"
    ),
    Kind(name="its event stream is not read", make=bad_lines.never_reads_a_stream, path="/live/{}/events/"),
    Kind(name="request of one byte a second", make=bad_lines.writes_its_request_by_the_byte),
    Kind(name="form of one byte a second", make=bad_lines.writes_its_form_by_the_byte),
    Kind(name="operation of one byte a second", make=bad_lines.writes_its_operation_by_the_byte),
    Kind(name="connected, and never asks", make=bad_lines.says_nothing),
]


@dataclass(slots=True, kw_only=True)
class Stage:
    """The site, a sandbox where nothing happens and one where something always does, and their samplers.

    ports: of each kind, our end of its connection; freed_s: when it was let go, since `began`.
    """

    site: Served
    samplers: list[Sampler]
    began: float
    ports: dict[str, int] = field(default_factory=dict)
    freed_s: dict[str, float] = field(default_factory=dict)

    def look(self) -> None:
        """Note which lines were let go meanwhile, until none is left or nobody waits any longer."""
        while self.freed_s.keys() != self.ports.keys() and self.age_s < _FREED_WITHIN_S:
            held = processes.peers(self.site.port)
            for name in {name for name, port in self.ports.items() if port not in held} - self.freed_s.keys():
                self.freed_s[name] = self.age_s
            time.sleep(0.2)

    @property
    def age_s(self) -> float:
        return time.monotonic() - self.began

    def until_freed(self, name: str) -> float:
        """Seconds since the line went bad."""
        while name not in self.freed_s:
            assert self.age_s < _FREED_WITHIN_S, f"{name}: still held"
            time.sleep(0.1)
        return self.freed_s[name]


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    """Everything that is bad is bad from the moment that this is there."""
    with contextlib.ExitStack() as stack:
        site = stack.enter_context(served(FURNISHED_STUDENTS="1", LIVE_TABS_PER_USER="100"))
        busy_id, busy_cookie = site.students[0]
        homes = [(site.sandbox, site.cookies["ada"]), (busy_id, busy_cookie)]
        samplers = [stack.enter_context(Sampler(site.valkey.url, home.hex)) for home, _ in homes]
        stack.enter_context(samplers[_BUSY].at_a_pace(PACE))
        found = Stage(site=site, samplers=samplers, began=time.monotonic())
        for kind in KINDS:
            home, cookie = homes[kind.where]
            line = kind.make(
                Door(port=site.port, path=kind.path.format(home), cookie=site.cookies.get(kind.who, cookie))
            )
            stack.callback(line.close)
            found.ports[kind.name] = line.port
        until(lambda: set(found.ports.values()) <= processes.peers(site.port), "not all were let in")
        looking = threading.Thread(target=found.look)
        looking.start()
        stack.callback(looking.join)
        yield found


@pytest.mark.parametrize(
    "kind",
    [pytest.param(k, marks=pytest.mark.fault("F13", k.name, holds="I10"), id=k.name) for k in KINDS],
)
def test_the_server_lets_go_of_a_line_that_leads_nowhere(stage: Stage, kind: Kind, case: Case) -> None:
    case.took(stage.until_freed(kind.name))
    case.holds("I10")


@pytest.mark.fault("F13", "all of these at once, then nothing is held for them", holds="I10")
def test_nothing_is_kept_for_lines_that_were_let_go(stage: Stage, case: Case) -> None:
    for kind in KINDS:
        stage.until_freed(kind.name)
    case.cleared()
    with Redis.from_url(stage.site.valkey.url) as redis:
        keys = [f"live:watch:{sampler.hand.hex_id}" for sampler in stage.samplers]
        until(lambda: not redis.exists(*keys), "a sandbox stays watched for nobody")
    case.converged()
    case.holds("I10")


@pytest.mark.fault("F13", "a request head without end", holds="I10")
def test_a_head_without_end_is_cut_off_long_before_its_time(stage: Stage, case: Case) -> None:
    line = Line(Door(port=stage.site.port, path="/", cookie=""))
    line.say(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
    until(lambda: line.port in processes.peers(stage.site.port), "it was not let in")
    with contextlib.suppress(OSError):
        for _ in range(HEAD_BYTES // 4096 + 8):
            line.say(b"x" * 4096)
    until(lambda: line.port not in processes.peers(stage.site.port), "still held", REQUEST_S / 2)
    case.converged()
    line.close()
    case.holds("I10")


def until(holds: Callable[[], object], otherwise: str, within_s: float = _FREED_WITHIN_S) -> None:
    until_s = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < until_s, otherwise
        time.sleep(0.1)


@pytest.mark.fault("F13", "laptops asleep until they are let go, then awake", holds="I9 I10")
def test_pages_that_slept_go_on_without_a_gap(stage: Stage, case: Case) -> None:
    site, before = stage.site, processes.peers(stage.site.port)
    homes = [(site.sandbox, site.cookies["ada"]), site.students[0]]
    with contextlib.ExitStack() as stack:
        crowds = [
            stack.enter_context(pages(site.address, [(f"/ws/live/{home}/", cookie)] * 4))
            for home, cookie in homes
        ]
        until(lambda: are_current(crowds, stage), "the pages did not come")
        ports = processes.peers(site.port) - before
        with asleep(*crowds):
            until(lambda: not processes.peers(site.port) & ports, "sleeping pages are still held")
            case.holds("I10")
            stage.samplers[_QUIET].produce()
        case.cleared()
        until(lambda: are_current(crowds, stage), "not all came back", _CURRENT_WITHIN_S)
        case.converged()
        told = [crowd.standing(sampler.place) for crowd, sampler in zip(crowds, stage.samplers, strict=True)]

    assert [one.cuts >= 4 for one in told] == [True, True]
    assert [(one.gaps, one.snaps) for one in told] == [(0, 4)] * 2, "what was missed came, and nothing else"
    case.holds("I9")


def are_current(crowds: list[Pages], stage: Stage) -> bool:
    return all(is_current(*both, 4) for both in zip(crowds, stage.samplers, strict=True))


def is_current(crowd: Pages, sampler: Sampler, count: int) -> bool:
    return crowd.standing(sampler.place).current == count


@pytest.mark.fault("F13", "a proxy that cuts what is idle", holds="I9")
def test_a_page_behind_a_proxy_that_cuts_idle_lines_misses_nothing(stage: Stage, case: Case) -> None:
    site, sampler = stage.site, stage.samplers[_QUIET]
    tabs = [(site.path, site.cookies["ada"])] * 4
    with running(IdleCuttingProxy(site.port, idle_s=3.0)) as address, pages(address, tabs) as crowd:
        until(lambda: crowd.standing(sampler.place).cuts >= 8, "nothing was cut")
        sampler.produce()
        case.cleared()
        until(lambda: is_current(crowd, sampler, 4), "not all came back", _CURRENT_WITHIN_S)
        case.converged()
        told = crowd.standing(sampler.place)

    assert (told.gaps, told.snaps) == (0, 4)
    case.holds("I9")


@pytest.mark.fault("F13", "half open: packets are lost both ways", holds="I9 I10")
def test_a_half_open_line_is_let_go_and_resumed_when_packets_come_through_again(case: Case) -> None:
    """In a network of its own, whose only interface goes down and up again (tests.faults.cut_off)."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.faults.cut_off"], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    told = json.loads(ran.stdout.splitlines()[-1])

    assert told["alarms"] == []
    assert told["freed_s"] <= _FREED_WITHIN_S
    case.holds("I10")
    assert (told["gaps"], told["snaps"]) == (0, told["pages"])
    case.took(told["current_s"])
    case.holds("I9")
