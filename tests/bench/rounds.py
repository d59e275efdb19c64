"""Rounds that are measured when the machine is quiet, and measured again when it was not.

Before and after each round a fixed piece of work is timed. A round in which it took more than 1.3 times the
best seen in this run is measured again, a bounded number of times; then the quietest rounds count.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TypeVar

Taken = TypeVar("Taken")

NOISY = 1.3
# Then no more rounds are repeated, so that the whole run stays within some six minutes.
PATIENCE_S = 150.0
_BURN = 300_000
_BEGAN = time.monotonic()
_burns: list[float] = []


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
    """`count` rounds of `one`, given the round's number; up to `spare` more in place of disturbed ones."""
    taken: list[tuple[float, Taken]] = []
    for number in range(count + spare):
        before = burn_s()
        load = os.getloadavg()[0]
        result = one(number)
        noise = max(before, burn_s()) / min(_burns)
        disturbed = " disturbed" if noise > NOISY else ""
        tell(f"{name} round {number + 1}: load {load:.1f}, burn {noise:.2f}x of the best{disturbed}")
        taken.append((noise, result))
        is_late = time.monotonic() - _BEGAN > PATIENCE_S
        if sum(noise <= NOISY for noise, _ in taken) >= count or (is_late and len(taken) >= count):
            break
    quietest = sorted(taken, key=lambda pair: pair[0])[:count]
    return [result for _, result in quietest]


def tell(line: str) -> None:
    """Progress, beside the figures."""
    print(f"  {line}", file=sys.stderr, flush=True)
