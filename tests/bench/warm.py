"""From Start to the first acknowledged record on a sandbox that was kept warm; claims by many at once."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from sandboxes.backends.base import Phase
from sandboxes.backends.local.backend import LocalBackend
from tests.bench import spawn
from tests.bench.burst import students
from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.rush import all_press
from tests.bench.slowway import slow_way
from tests.bench.stage import Stage
from tests.faults.whole_site import WholeSite, whole_site
from tests.sandboxes.engines import Site, sqlite_site

POOL, ROUNDS = 8, 4
CLAIMERS, CLAIM_ROUNDS = 20, 5
_CLAIMERS = "tests.sandboxes.claimers"
_POLL_S = 0.002
_PATIENCE_S = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """Seconds from the press to the answer, and to the acknowledgement of a first record."""

    answered: float
    acked: float


def measure(_stage: Stage) -> Iterator[Figure]:
    with whole_site(WARM_POOL="0") as site:
        site.start()
        _take_all(site)  # the first of a site is slower: everything is imported as it goes
        rounds = measured("warm", ROUNDS, lambda _: _take_all(site), spare=1)
    acked = [one.acked for one in chain(*rounds)]
    answered = middle(one.answered for one in chain(*rounds))
    note = f"{len(acked)} starts one by one, of a pool of {POOL} that is filled again"
    for share, goal in ((0.5, "<= 0.15"), (0.99, "<= 0.5")):
        yield Figure(
            bench=f"warm start, press to acknowledged, p{share * 100:.0f}", value=percentile(acked, share),
            worst=max(acked), unit="s", goal=goal, note=f"{note}; answered in {answered:.3f} s",
        )  # fmt: skip
    yield from _claims()


def _take_all(site: WholeSite) -> list[Taken]:
    site.ask("reserve", POOL)
    site.ask("pool", POOL, _PATIENCE_S)
    taken = [_take(site, session) for session in students(site, POOL)]
    site.ask("clear", _PATIENCE_S)
    return taken


def _take(site: WholeSite, session: str, *, through: int = 0) -> Taken:
    """One student takes one."""
    backend = LocalBackend(site.data / "run" / "host.sock")
    began = time.monotonic()
    (answer,) = all_press(site.address, [session], through=through)
    answered = time.monotonic()
    assert answer.state in {"binding", "ready"}, f"it was not a warm one: {answer.state}"
    while (seen := backend.observe(answer.sandbox)).phase is not Phase.RUNNING or seen.frozen:
        assert time.monotonic() < began + _PATIENCE_S, f"it was not handed over: {seen}"
        time.sleep(_POLL_S)
    assert seen.endpoint
    return Taken(answered=answered - began, acked=spawn.first_ack(seen.endpoint) - began)


def _claims() -> Iterator[Figure]:
    with sqlite_site(SANDBOX_BACKEND="memory") as site:
        rounds = measured("claims", CLAIM_ROUNDS, lambda number: _claim(site, number), spare=1)
    answers = list(chain(*rounds))
    took = [float(answer["took_s"]) for answer in answers]
    note = f"{CLAIMERS} at the same moment in one process, {len(rounds)} times"
    yield Figure(
        bench=f"claims by {CLAIMERS} at once, p99", value=percentile(took, 0.99), worst=max(took), unit="s",
        peer=percentile(took, 0.5), note=f"{note}; peer: p50",
    )  # fmt: skip
    yield Figure(
        bench=f"claims by {CLAIMERS} at once, shared",
        value=sum(map(shared, rounds)),
        unit="",
        goal="= 0",
        note=note,
    )


def _claim(site: Site, number: int) -> list[dict[str, Any]]:
    site.worker("warm", CLAIMERS, module=_CLAIMERS)
    return _pressed(site, 1000 + CLAIMERS * number)


def _pressed(site: Site, first: int) -> list[dict[str, Any]]:
    answers: list[dict[str, Any]] = site.worker("press", first, CLAIMERS, module=_CLAIMERS)
    return answers


def shared(answers: Sequence[dict[str, Any]]) -> int:
    """How many got a sandbox that another user got too."""
    owners = Counter(sandbox for sandbox, _ in {(answer["sandbox"], answer["user"]) for answer in answers})
    return sum(count - 1 for count in owners.values())


def prove(_stage: Stage) -> Iterator[Proof]:
    held_s, few, twice = 0.3, 4, 3
    with whole_site(WARM_POOL="0") as site:
        site.start()
        _take_all(site)
        site.ask("reserve", 2 * few)
        site.ask("pool", 2 * few, _PATIENCE_S)
        people = students(site, 2 * few)
        plain = [_take(site, session).acked for session in people[:few]]
        with slow_way(site.address, held_s) as port:
            held = [_take(site, session, through=port).acked for session in people[few:]]
    with sqlite_site(SANDBOX_BACKEND="memory") as rows:
        answers = _claim(rows, 0)
    stolen = [answer | {"sandbox": answers[-1]["sandbox"]} for answer in answers[:twice]]
    yield Proof(
        what="warm: an answer held up", put_in=held_s, reported=middle(held) - middle(plain), unit="s"
    )
    yield Proof(
        what="warm: claimers who share",
        put_in=twice,
        reported=shared(stolen + answers[twice:]),
        unit="",
        within=0,
    )
