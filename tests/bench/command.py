"""The command: which benches to run, in which order, and what to print."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import time
import traceback
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

from tests.bench import results, rounds
from tests.bench.figures import Figure, failed, table, verdict
from tests.bench.proofs import Proof
from tests.bench.rounds import tell
from tests.bench.stage import Stage

# The quiet ones first, while nothing of a site runs beside them.
BENCHES = (
    "second",
    "idle",
    "verdict",
    "cold",
    "warm",
    "burst",
    "pages",
    "lighthouse",
    "latency",
    "flood",
    "resume",
    "watching",
    "hostile",
    "fanout",
    "storm",
    "stalled",
    "frozen",  # they sleep since "idle"
)


class Bench(Protocol):
    """A module of this package, by its name."""

    def measure(self, stage: Stage) -> Iterator[Figure]: ...
    def prove(self, stage: Stage) -> Iterator[Proof]: ...


class Stages:
    """One stage for all benches; a new one after a bench that failed, since it may have left a ruin."""

    def __init__(self) -> None:
        self._stage: Stage | None = None

    def get(self) -> Stage:
        self._stage = self._stage or Stage().__enter__()
        return self._stage

    def drop(self) -> None:
        stage, self._stage = self._stage, None
        if stage:
            try:
                stage.__exit__()
            except Exception:  # noqa: BLE001 - the next bench is to run whatever became of this stage
                traceback.print_exc()


def main() -> int:
    options = _options()
    names = options.names or BENCHES
    if options.quick:
        rounds.be_quick()
    stages = Stages()
    try:
        return _prove(stages, names) if options.prove else _measure(stages, names)
    finally:
        stages.drop()
        shutil.rmtree(os.environ["MILLRACE_DATA"], ignore_errors=True)


def _bench(name: str) -> Bench:
    return cast("Bench", importlib.import_module(f"tests.bench.{name}"))


def _measure(stages: Stages, names: Sequence[str]) -> int:
    """1 when a bench broke off; a goal that was missed is said, and is no failure of the run."""
    began, broken = time.monotonic(), 0
    figures: list[Figure] = []
    was = results.before()
    for name in names:
        tell(name)
        since = time.monotonic()
        try:
            for figure in _bench(name).measure(stages.get()):
                _say(figure, figures)
        except Exception as error:  # noqa: BLE001 - one bench's failure is one row of the table
            traceback.print_exc()
            _say(failed(name, error), figures)
            broken += 1
            stages.drop()
        tell(f"{name} took {time.monotonic() - since:.0f} s")
    took_s = time.monotonic() - began
    kept = results.write(figures, quick=rounds.is_quick(), took_s=took_s)
    print(f"\n{table(figures, was)}\n\n{verdict(figures)}", flush=True)
    tell(f"took {took_s:.0f} s; kept in {kept.relative_to(results.ROOT)}")
    return int(broken > 0)


def _say(figure: Figure, figures: list[Figure]) -> None:
    print(figure.line(), flush=True)
    figures.append(figure)


def _prove(stages: Stages, names: Sequence[str]) -> int:
    """1 unless every bench named has a proof, and all hold."""
    failures = 0
    for name in names:
        proofs = 0
        try:
            for proof in _bench(name).prove(stages.get()):
                print(proof.line(), flush=True)
                proofs, failures = proofs + 1, failures + (not proof.holds)
        except Exception:  # noqa: BLE001 - the other meters are to be proven all the same
            traceback.print_exc()
            stages.drop()
        if not proofs:
            print(f"FAILED {name}: its meter was not proven", flush=True)
            failures += 1
    return int(failures > 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure the site beside its peers."
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--prove", action="store_true", help="prove the meters instead: inject, and be told")
    parser.add_argument("--quick", action="store_true", help="one round of each: does it all run?")
    return parser.parse_args()
