"""The command: which benches to run, in which order, and what to print."""

from __future__ import annotations

import argparse
import importlib
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from typing import Protocol, cast

from tests.bench.figures import Figure, table
from tests.bench.proofs import Proof
from tests.bench.rounds import tell
from tests.bench.stage import Stage

# The quiet ones first, while nothing of a site runs beside them.
BENCHES = (
    "second",
    "idle",
    "verdict",
    "cold",
    "pages",
    "lighthouse",
    "latency",
    "resume",
    "watching",
    "fanout",
)


class Bench(Protocol):
    """A module of this package, by its name."""

    def measure(self, stage: Stage) -> Iterator[Figure]: ...
    def prove(self, stage: Stage) -> Iterator[Proof]: ...


def _bench(name: str) -> Bench:
    return cast("Bench", importlib.import_module(f"tests.bench.{name}"))


def main() -> int:
    options = _options()
    names = options.names or BENCHES
    began = time.monotonic()
    try:
        with Stage() as stage:
            done = _prove(stage, names) if options.prove else _measure(stage, names)
    finally:
        shutil.rmtree(os.environ["MILLRACE_DATA"], ignore_errors=True)
    tell(f"took {time.monotonic() - began:.0f} s")
    return done


def _measure(stage: Stage, names: Sequence[str]) -> int:
    figures: list[Figure] = []
    for name in names:
        tell(name)
        for figure in _bench(name).measure(stage):
            print(figure.line(), flush=True)
            figures.append(figure)
    print(f"\n{table(figures)}")
    return 0


def _prove(stage: Stage, names: Sequence[str]) -> int:
    proofs: list[Proof] = []
    for name in names:
        for proof in _bench(name).prove(stage):
            print(proof.line(), flush=True)
            proofs.append(proof)
    return int(not all(proof.holds for proof in proofs))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Measure the site beside its peers."
    )
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHES))
    parser.add_argument("--prove", action="store_true", help="prove the meters instead: inject, and be told")
    return parser.parse_args()
