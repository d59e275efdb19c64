"""What others notice of a student whose programs take all they can: pages, and another's records (F20)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from confluent_kafka import Producer

from sandboxes.backends.base import PROGRAMS_MAX, Workspace
from tests.bench import spawn
from tests.bench.figures import Figure, middle, percentile
from tests.bench.proofs import Proof
from tests.bench.rounds import is_quick, measured
from tests.bench.stage import Stage

ROUNDS = 3
WINDOW_S = 4.0
_PAUSE_S = 0.03
_SETTLE_S = 1.0
_PAGE = "/"

# Busy processes, each in a session of its own if it can, as many as a program may have by its memory;
# six of these programs run at once.
BOMB = """
import os
for _ in range(30):
    if os.fork() == 0:
        try:
            os.setsid()
        except OSError:
            pass
        break
while True:
    pass
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Felt:
    """Latencies of one window in milliseconds: pages, and acknowledgements in another student's sandbox."""

    pages: list[float]
    acks: list[float]


def measure(stage: Stage) -> Iterator[Figure]:
    with _sides(stage) as (workspace, look):
        look(_SETTLE_S)
        taken = measured("hostile", ROUNDS, lambda number: _round(workspace, look, number), spare=2)
    for name, part in (("page", "pages"), ("another's record", "acks")):
        quiet = [getattr(calm, part) for calm, _ in taken]
        beside = [getattr(loud, part) for _, loud in taken]
        ratios = [middle(loud) / middle(calm) for calm, loud in zip(quiet, beside, strict=True)]
        slow, usual = (max(percentile(one, 0.95) for one in some) for some in (beside, quiet))
        yield Figure(
            bench=f"{name} beside a hostile program",
            value=middle(ratios),
            worst=max(ratios),
            unit="x",
            goal="<= 1.5",
            peer=middle(map(middle, quiet)),
            note=f"medians, peer in ms; p95 {slow:.0f} ms, without {usual:.0f} ms; {PROGRAMS_MAX} bombs",
        )


@contextlib.contextmanager
def _sides(stage: Stage) -> Iterator[tuple[Workspace, Callable[[float], Felt]]]:
    """The hostile student's workspace, and a look at what the other student feels."""
    stage.edsger.post("/sandbox/start/")
    hostile = stage.edsger.until_state("ready")
    spawn.first_ack(stage.watched.endpoint)
    config = {**stage.watched.endpoint.client_config(), "linger.ms": 0, "log_level": 0}
    producer = Producer(config)
    spawn.ack_s(producer)
    try:
        yield stage.backend.workspace(hostile), lambda window_s: _look(stage, producer, window_s)
    finally:
        stage.edsger.delete_sandbox()


def _round(workspace: Workspace, look: Callable[[float], Felt], number: int) -> tuple[Felt, Felt]:
    """Without and with the bombs, in an order that turns."""
    if number % 2 == 0:
        calm = look(WINDOW_S)
        with _bombs(workspace):
            return calm, look(WINDOW_S)
    with _bombs(workspace):
        loud = look(WINDOW_S)
    time.sleep(_SETTLE_S)
    return look(WINDOW_S), loud


@contextlib.contextmanager
def _bombs(workspace: Workspace) -> Iterator[None]:
    workspace.write_file("bomb.py", BOMB)
    runs = [workspace.start_program(path="bomb.py") for _ in range(PROGRAMS_MAX)]
    time.sleep(_SETTLE_S)
    try:
        yield
        assert all(run.running for run in workspace.programs()[-PROGRAMS_MAX:]), "the bombs did not last"
    finally:
        for run in runs:
            workspace.kill_program(run.program_id)
        while any(run.running for run in workspace.programs()):
            time.sleep(0.05)


def _look(stage: Stage, producer: Producer, window_s: float, *, hold_s: float = 0.0) -> Felt:
    felt = Felt(pages=[], acks=[])
    until = time.monotonic() + window_s
    while time.monotonic() < until or not felt.pages:
        felt.pages.append(_took_ms(lambda: stage.ada.get(_PAGE), hold_s))
        felt.acks.append(_took_ms(lambda: spawn.ack_s(producer), hold_s))
        time.sleep(_PAUSE_S)
    return felt


def _took_ms(work: Callable[[], object], hold_s: float) -> float:
    began = time.perf_counter()
    time.sleep(hold_s)
    work()
    return 1000 * (time.perf_counter() - began)


def prove(stage: Stage) -> Iterator[Proof]:
    """Answers held up by a known time."""
    hold_s = 0.04
    spawn.first_ack(stage.watched.endpoint)
    producer = Producer({**stage.watched.endpoint.client_config(), "linger.ms": 0, "log_level": 0})
    _look(stage, producer, _SETTLE_S)
    window_s = WINDOW_S / 2 if is_quick() else WINDOW_S
    plain = _look(stage, producer, window_s)
    held = _look(stage, producer, window_s, hold_s=hold_s)
    for name, put in (("pages", held.pages), ("acknowledgements", held.acks)):
        usual = plain.pages if name == "pages" else plain.acks
        moved = middle(put) - middle(usual)
        yield Proof(what=f"hostile: {name} held up", put_in=1000 * hold_s, reported=moved, unit="ms")
