"""Waiting times and stock sizes, as sums on paper."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandboxes.queueing import base_stock, left_of_start_s, wait_s, waits_s


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [(0, 2.0), (1, 2.0), (2, 2.0), (3, 4.0), (5, 4.0), (6, 6.0)],
)
def test_an_empty_house_serves_as_many_at_once_as_it_has_places(ahead: int, expected: float) -> None:
    assert wait_s(places=3, left_s=[], ahead=ahead, start_s=2.0) == expected


def test_who_is_under_way_is_waited_for_first() -> None:
    assert wait_s(places=2, left_s=[0.5, 1.5], ahead=0, start_s=2.0) == 2.5
    assert wait_s(places=2, left_s=[0.5, 1.5], ahead=1, start_s=2.0) == 3.5


def test_a_lowered_number_of_places_is_waited_for() -> None:
    assert wait_s(places=1, left_s=[1.0, 5.0, 3.0], ahead=0, start_s=2.0) == 7.0


@given(
    places=st.integers(1, 8),
    left=st.lists(st.floats(0, 10), max_size=12),
    count=st.integers(1, 60),
    start=st.floats(0.1, 10),
)
def test_nobody_overtakes_and_nobody_is_faster_than_one_start(
    places: int, left: list[float], count: int, start: float
) -> None:
    waits = waits_s(places=places, left_s=left, count=count, start_s=start)

    assert len(waits) == count
    assert waits == sorted(waits)
    assert waits[0] >= start


@pytest.mark.parametrize("seed", range(3))
def test_nine_in_ten_estimates_of_a_rush_are_within_thirty_percent(seed: int) -> None:
    """200 starts that scatter as measured ones do; what was foretold at the first instant, and what came."""
    chance = random.Random(seed)
    took = [chance.lognormvariate(math.log(1.3), 0.25) for _ in range(250)]
    known, lasted = took[:50], took[50:]
    foretold = waits_s(places=3, left_s=[], count=200, start_s=sum(known) / len(known))

    free_at, came = [0.0, 0.0, 0.0], []
    for start in lasted:
        place = free_at.index(min(free_at))
        free_at[place] += start
        came.append(free_at[place])

    good = [abs(said - real) <= 0.3 * real for said, real in zip(foretold, came, strict=True)]
    assert sum(good) >= 0.9 * len(good)


def test_a_start_under_way_still_takes_what_is_left_of_the_usual() -> None:
    assert left_of_start_s(0.5, median_s=2.0, p90_s=4.0) == 1.5


def test_a_late_start_is_never_said_to_be_over() -> None:
    assert left_of_start_s(3.0, median_s=2.0, p90_s=4.0) == 0.5
    assert left_of_start_s(100.0, median_s=2.0, p90_s=4.0) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("per_minute", "refill_s", "miss", "expected"),
    [(2, 5, 0.0125, 2), (2, 90, 0.0125, 8), (2, 1.3, 0.05, 1), (0, 10, 0.05, 1), (60, 11, 0.05, 18)],
)
def test_the_stock_is_the_smallest_that_keeps_misses_rare(
    per_minute: float, refill_s: float, miss: float, expected: int
) -> None:
    assert base_stock(per_minute / 60, refill_s, miss=miss) == expected


@given(mean=st.floats(0, 200), miss=st.floats(0.001, 0.5))
def test_one_less_would_miss_too_often(mean: float, miss: float) -> None:
    stock = base_stock(mean, 1.0, miss=miss)

    def missed(held: int) -> float:
        terms = (math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(held))
        return 1.0 - sum(terms) if mean > 0 else float(held == 0)

    assert missed(stock) <= miss + 1e-9
    assert stock == 1 or missed(stock - 1) > miss - 1e-9


def test_a_flood_beyond_all_measure_still_gives_a_number() -> None:
    assert base_stock(1e6, 10.0) >= 1
