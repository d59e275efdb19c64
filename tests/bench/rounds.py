"""Rounds that are measured when the machine is quiet, and measured again when it was not.

Before and after each round a fixed piece of work is timed, and the load and the time stolen by other guests
of the hardware are read. A round in which the work took more than 1.3 times the best seen in this run is
refused and measured again, a bounded number of times; then the quietest rounds count, and a line says so.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

Taken = TypeVar("Taken")

NOISY = 1.3
# Per set of rounds: beyond it disturbed rounds are kept as they are, so that a run on a busy machine ends.
PATIENCE_S = 120.0
QUICK_ROUNDS = 1
_BURN = 300_000
_STAT = Path("/proc/stat")
_STEAL = 8  # of the first line's words (proc(5))
_burns: list[float] = []
_mode = {"quick": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What a round had to live with.

    noise: the calibration's time over its best. load: of the minute before. steal_s: of all cores together.
    """

    noise: float
    load: float
    steal_s: float

    @property
    def is_calm(self) -> bool:
        return self.noise <= NOISY


def be_quick() -> None:
    """From now on one round of everything: to see whether all of it runs, not to believe its figures."""
    _mode["quick"] = True


def is_quick() -> bool:
    return _mode["quick"]


def burn_s() -> float:
    """Wall time of the fixed piece of work, the best of three; about 15 ms on a quiet core."""
    taken = min(_timed_burn() for _ in range(3))
    _burns.append(taken)
    return taken


def _timed_burn() -> float:
    began = time.perf_counter()
    total = 0
    for number in range(_BURN):
        total += number & 7
    return time.perf_counter() - began


def measured(name: str, count: int, one: Callable[[int], Taken], *, spare: int = 2) -> list[Taken]:
    """`count` rounds of `one`, given the round's number; up to `spare` more in place of refused ones."""
    wanted, most = (QUICK_ROUNDS, QUICK_ROUNDS) if is_quick() else (count, count + spare)
    began = time.monotonic()
    taken: list[tuple[Weather, Taken]] = []
    for number in range(most):
        result, weather = _under_watch(lambda number=number: one(number))  # type: ignore[misc]
        taken.append((weather, result))
        _report(name, number, weather)
        is_late = time.monotonic() - began > PATIENCE_S
        if sum(seen.is_calm for seen, _ in taken) >= wanted or (is_late and len(taken) >= wanted):
            break
    kept = sorted(taken, key=lambda pair: pair[0].noise)[:wanted]
    if disturbed := sum(not seen.is_calm for seen, _ in kept):
        tell(f"{name}: {disturbed} of {wanted} rounds are disturbed ones, quieter ones could not be had")
    return [result for _, result in kept]


def _under_watch(work: Callable[[], Taken]) -> tuple[Taken, Weather]:
    load, stolen, before = os.getloadavg()[0], _stolen_s(), burn_s()
    result = work()
    slowest = max(before, burn_s())
    return result, Weather(noise=slowest / min(_burns), load=load, steal_s=_stolen_s() - stolen)


def _stolen_s() -> float:
    """Seconds that other guests of the hardware took from all our cores since the machine started."""
    words = _STAT.read_text().splitlines()[0].split()
    return int(words[_STEAL]) / os.sysconf("SC_CLK_TCK") if len(words) > _STEAL else 0.0


def _report(name: str, number: int, seen: Weather) -> None:
    disturbed = "" if seen.is_calm else ", refused"
    tell(
        f"{name} round {number + 1}: load {seen.load:.1f}, stolen {seen.steal_s:.1f} s, "
        f"burn {seen.noise:.2f}x of the best{disturbed}"
    )


def tell(line: str) -> None:
    """Progress, beside the figures."""
    print(f"  {line}", file=sys.stderr, flush=True)
