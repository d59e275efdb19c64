"""Two hundred press Start within a second; thirty real Kafkas start, a few at a time and all at once.

The two hundred start on a provisioner double whose starts take as long as real ones: what is measured there
is the site. The thirty are real; beside them as many brokers without a site, started all at the same moment.
"""

from __future__ import annotations

import random
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from sandboxes.backends.base import Phase, Spec
from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.rush import Answer, all_press
from tests.bench.slowway import slow_way
from tests.bench.stage import Stage
from tests.faults.whole_site import WholeSite, whole_site
from tests.sandboxes.backends.local_host import LocalHost, running_host

RUSH, WITHIN_S = 200, 1.0
# As the double's starts were measured; on fewer cores a round would take longer, and show nothing else.
AT_ONCE = 3
REAL = 30
ROUNDS = 2
REAL_ROUNDS = 2
DOUBLE = "tests.sandboxes.doubles.RushBackend"
# The page tells whole seconds, rounded up; an estimate is right when the start came within this of it.
SHARE, ROUNDING_S = 0.3, 1.0
# Where few start at a time, and the machine has more to do, the last of thirty waits for minutes.
_PATIENCE_S = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Rush:
    """What became of a rush. told_right: share of the estimates that were right; ready_s: of each start."""

    answers: Sequence[Answer]
    ready_s: Sequence[float]
    told_right: float
    wrong: Mapping[str, int]

    @property
    def answered_s(self) -> list[float]:
        return [answer.took_s for answer in self.answers]


def measure(_stage: Stage) -> Iterator[Figure]:
    yield from _two_hundred()
    yield from _thirty()


def _two_hundred() -> Iterator[Figure]:
    with whole_site(SANDBOX_BACKEND=DOUBLE, WARM_POOL="0") as site:
        site.start()
        site.ask(AT_ONCE, module="tests.bench.places")
        rush(site, students(site, 10))  # the first of a site is slower: everything is imported as it goes
        rounds = measured("burst", ROUNDS, lambda _: rush(site, students(site, RUSH)), spare=1)
    note = f"{RUSH} within {WITHIN_S:g} s, any moment of it"
    late = [percentile(one.answered_s, 0.99) for one in rounds]
    yield Figure(
        bench="burst, a Start answered, p99", value=middle(late), worst=max(late), unit="s", goal="<= 0.5",
        peer=middle(percentile(one.answered_s, 0.5) for one in rounds), note=f"{note}; peer: p50",
    )  # fmt: skip
    wrong = _sum(one.wrong for one in rounds)
    yield Figure(
        bench="burst, refused, lost, doubled or untold",
        value=wrong.total(),
        unit="",
        goal="= 0",
        note=str(dict(wrong) or note),
    )
    right = [one.told_right for one in rounds]
    yield Figure(
        bench="burst, estimates right within 30 %", value=middle(right), worst=min(right), unit="of all",
        goal=">= 0.9", note="or within a second, the unit that the page tells",
    )  # fmt: skip


def _thirty() -> Iterator[Figure]:
    # A host of its own for those without a site: any other starts only a few at a time.
    with whole_site(WARM_POOL="0") as site, running_host(limits={"broker_starts": REAL}) as host:
        site.start()
        rush(site, students(site, 3))
        pairs = measured("burst of real ones", REAL_ROUNDS, lambda number: _both_ways(host, site, number))
    wrong = _sum(ours.wrong for ours, _ in pairs)
    yield Figure(
        bench=f"{REAL} real starts, refused, lost or doubled", value=wrong.total(), unit="", goal="= 0",
        note=str(dict(wrong) or "all of them ready"),
    )  # fmt: skip
    pairs = [(ours, peer) for ours, peer in pairs if ours.ready_s]
    for name, figure, goal in (("mean wait", fmean, "<= 0.7"), ("last ready", max, "<= 1.1")):
        ratios = [figure(ours.ready_s) / figure(peer) for ours, peer in pairs]
        yield Figure(
            bench=f"{REAL} real starts, {name} / all at once", value=middle(ratios), worst=max(ratios),
            unit="x", goal=goal, peer=middle(figure(peer) for _, peer in pairs),
            note=f"ours {middle(figure(ours.ready_s) for ours, _ in pairs):.1f} s",
        )  # fmt: skip


def _both_ways(host: LocalHost, site: WholeSite, number: int) -> tuple[Rush, list[float]]:
    """As the site admits them, and all at once without a site; which of them first, turns."""
    if number % 2:
        peer = all_at_once_s(host)
        return rush(site, students(site, REAL)), peer
    return rush(site, students(site, REAL)), all_at_once_s(host)


def all_at_once_s(host: LocalHost) -> list[float]:
    """The same brokers, started all at the same moment: seconds until each is up."""
    names, began = [uuid.uuid4().hex for _ in range(REAL)], time.monotonic()
    ready: dict[str, float] = {}
    for name in names:
        host.backend.ensure(Spec(sandbox_id=name, profile="kafka-1"))
    while len(ready) < REAL:
        assert time.monotonic() < began + _PATIENCE_S, f"{len(ready)} of {REAL} are up"
        for name, seen in host.backend.look().items():
            if seen.phase is Phase.RUNNING:
                ready.setdefault(name, time.monotonic() - began)
        time.sleep(0.05)
    for name in names:
        host.destroy(name)
    return list(ready.values())


def _sum(counts: Iterable[Mapping[str, int]]) -> Counter[str]:
    return sum(map(Counter, counts), Counter[str]())


def students(site: WholeSite, count: int) -> list[str]:
    made: list[str] = site.ask(count, module="tests.bench.people")
    return made


def rush(site: WholeSite, sessions: Sequence[str], *, through: int = 0) -> Rush:
    """All of them press; wait until all is done, and clear away."""
    moments = [random.uniform(0, WITHIN_S) for _ in sessions]
    answers = all_press(site.address, sessions, moments=moments, through=through)
    site.ask("settled", _PATIENCE_S, within_s=_PATIENCE_S + 30)
    stories: dict[str, Any] = site.ask("stories")
    site.ask("clear", _PATIENCE_S, within_s=_PATIENCE_S + 30)
    done = [
        answer
        for answer in answers
        if answer.status == 200 and stories.get(answer.sandbox, {}).get("ready_s")
    ]
    ready_s = [float(stories[answer.sandbox]["ready_s"]) for answer in done]
    right = [_is_right(answer.wait_s, took) for answer, took in zip(done, ready_s, strict=True)]
    return Rush(
        answers=answers,
        ready_s=ready_s,
        told_right=sum(right) / max(1, len(right)),
        wrong=wrongs(answers, stories),
    )


def _is_right(told: int | None, took_s: float) -> bool:
    return told is not None and abs(told - took_s) <= max(ROUNDING_S, SHARE * took_s)


def wrongs(answers: Sequence[Answer], stories: Mapping[str, Any]) -> dict[str, int]:
    """How many were refused, lost (never ready), given somebody else's, or told nothing of their wait."""
    taken = [answer for answer in answers if answer.status == 200]
    names = [answer.sandbox for answer in taken]
    found = {
        "refused": len(answers) - len(taken),
        "lost": sum(not (stories.get(name) or {}).get("ready_s") for name in names),
        "doubled": len(names) - len(set(names)),
        "untold": sum(not answer.wait_s for answer in taken),
    }
    return {name: count for name, count in found.items() if count}


def prove(_stage: Stage) -> Iterator[Proof]:
    held_s, twice, again = 0.5, 5, 25
    with whole_site(SANDBOX_BACKEND=DOUBLE, WARM_POOL="0", RUSH_PACE="0.1") as site:
        site.start()
        site.ask(AT_ONCE, module="tests.bench.places")
        rush(site, students(site, 10))
        plain = rush(site, students(site, 20))
        with slow_way(site.address, held_s) as port:
            held = rush(site, students(site, 20), through=port)
        shared = rush(site, [*(some := students(site, twice)), *some])
        tired = rush(site, students(site, 1) * again)
        stories = {answer.sandbox: {"ready_s": 1.0} for answer in plain.answers}
        lost = wrongs(plain.answers, dict(list(stories.items())[twice:]))
    yield Proof(
        what="burst: an answer held up", put_in=held_s, unit="s",
        reported=middle(held.answered_s) - middle(plain.answered_s),
    )  # fmt: skip
    yield Proof(
        what="burst: two who get the same", put_in=twice, reported=shared.wrong["doubled"], unit="", within=0
    )
    yield Proof(
        what="burst: presses above the limit",
        put_in=again - 20,
        reported=tired.wrong["refused"],
        unit="",
        within=0,
    )
    yield Proof(what="burst: starts that were lost", put_in=twice, reported=lost["lost"], unit="", within=0)
