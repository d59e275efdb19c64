"""From the press of Start to the first acknowledged record, beside the same broker without a platform."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from sandboxes.backends.base import Phase
from tests.bench import processes, spawn
from tests.bench.figures import Figure, middle
from tests.bench.proofs import Proof
from tests.bench.rounds import measured
from tests.bench.stage import Stage

ROUNDS = 5
_POLL_S = 0.005
_LONGEST_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Seconds from the press to the answer, to the acknowledgement, to "ready" on the panel; CPU seconds."""

    answered: float
    acked: float
    ready: float
    cpu: float


def measure(stage: Stage) -> Iterator[Figure]:
    stage.edsger.get("/")
    _ours(stage)  # the first of a site is slower: Celery and the host import as they go
    taken = measured("cold", ROUNDS, lambda number: _round(stage, number), spare=1)
    ours = [start for start, _, _ in taken]
    bare, stock = [peer for _, peer, _ in taken], [peer for _, _, peer in taken]
    acked = middle(start.acked for start in ours)
    for name, peer, goal in (("bare", bare, "<= 1.25"), ("stock", stock, "<= 0.5")):
        ratios = [start.acked / took for start, (took, _) in zip(ours, peer, strict=True)]
        yield Figure(
            bench=f"cold start / {name} spawn",
            value=middle(ratios),
            worst=max(ratios),
            unit="x",
            goal=goal,
            peer=middle(took for took, _ in peer),
            note=f"ours {acked:.2f} s",
        )
    yield Figure(
        bench="cold start, press to acknowledged",
        value=acked,
        worst=max(start.acked for start in ours),
        unit="s",
        peer=middle(took for took, _ in bare),
    )
    yield Figure(
        bench="cold start, press to ready on the panel",
        value=middle(start.ready for start in ours),
        worst=max(start.ready for start in ours),
        unit="s",
    )
    yield Figure(
        bench="cold start, CPU",
        value=middle(start.cpu for start in ours),
        worst=max(start.cpu for start in ours),
        unit="CPU-s",
        peer=middle(used for _, used in bare),
    )


def _round(stage: Stage, number: int) -> tuple[Start, tuple[float, float], tuple[float, float]]:
    """The three, in an order that turns."""
    found: dict[str, Any] = {}
    runs: list[tuple[str, Callable[[], Any]]] = [
        ("ours", lambda: _ours(stage)),
        ("bare", spawn.tuned_s),
        ("stock", spawn.stock_s),
    ]
    for name, run in runs[number % 3 :] + runs[: number % 3]:
        found[name] = run()
    return found["ours"], found["bare"], found["stock"]


def _ours(stage: Stage) -> Start:
    student, site = stage.edsger, processes.tree(stage.site.process.pid)
    used = processes.cpu_s(site)
    began = time.monotonic()
    sandbox_id, _ = student.panel(student.post("/sandbox/start/"))
    answered = time.monotonic()
    while (seen := stage.backend.observe(sandbox_id)).phase is not Phase.RUNNING:
        assert time.monotonic() < began + _LONGEST_S, f"the sandbox did not start: {seen}"
        time.sleep(_POLL_S)
    assert seen.endpoint
    acked = spawn.first_ack(seen.endpoint)
    used = processes.cpu_s(site) - used + processes.cpu_s(processes.tree(stage.keeper_pid(sandbox_id)))
    student.until_state("ready")
    ready = time.monotonic()
    student.delete_sandbox()
    return Start(answered=answered - began, acked=acked - began, ready=ready - began, cpu=used)


def prove(_stage: Stage) -> Iterator[Proof]:
    hold = 0.6
    plain = [spawn.tuned_s()[0] for _ in range(3)]
    held = [spawn.tuned_s(hold_s=hold)[0] for _ in range(3)]
    yield Proof(what="cold: a spawn held up", put_in=hold, reported=middle(held) - middle(plain), unit="s")
