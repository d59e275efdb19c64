"""How long somebody in a queue will wait, and how many to keep ready: sums on paper, without a database."""

import heapq
import math
from collections.abc import Sequence

# Of starts that come at random, at most this share may find no warm sandbox.
MISS_TARGET = 0.05


def wait_s(*, places: int, left_s: Sequence[float], ahead: int, start_s: float) -> float:
    """Seconds until the start of one with `ahead` before it has ended.

    places: how many start at the same time; left_s: what those under way still need; start_s: one start.
    Each takes the first place that comes free, as placement admits them.
    """
    return waits_s(places=places, left_s=left_s, count=ahead + 1, start_s=start_s)[-1]


def waits_s(*, places: int, left_s: Sequence[float], count: int, start_s: float) -> list[float]:
    """`wait_s` for each of a whole queue, first to last."""
    # More may be under way than there are places, when the number was lowered; those first to end free none.
    free_at = [*sorted(left_s)[-places:], *([0.0] * (places - len(left_s)))]
    heapq.heapify(free_at)
    ends: list[float] = []
    for _ in range(count):
        ends.append(free_at[0] + start_s)
        heapq.heapreplace(free_at, ends[-1])
    return ends


def left_of_start_s(elapsed_s: float, *, median_s: float, p90_s: float) -> float:
    """What a start that has lasted so long will still take; of one that is late nobody can know."""
    if elapsed_s < median_s:
        return median_s - elapsed_s
    return max(0.1 * median_s, (p90_s - elapsed_s) / 2)


def base_stock(rate: float, refill_s: float, *, miss: float = MISS_TARGET) -> int:
    """The smallest K of at least one with P(Poisson(rate * refill_s) >= K) <= miss.

    With K kept ready and each one taken replaced after refill_s, a start finds none as often as K or more
    come within one refill (the base-stock rule of inventory theory). rate: starts per second.
    """
    mean = rate * refill_s
    term = math.exp(-mean)
    below, stock = 0.0, 0
    while 1.0 - below > miss:
        below += term
        stock += 1
        term *= mean / stock
        if term == 0.0 and stock > mean:
            break
    return max(1, stock)
