"""Who asks while another is being answered is answered with all the others who do."""

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandboxes.gathering import Gathered

WAIT_S = 60


class Slow:
    """Answers with the double of each number, the first time only when it is told to; 13 it cannot."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.is_busy, self.go = threading.Event(), threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(list(numbers))
        self.is_busy.set()
        assert self.go.wait(WAIT_S)
        if 13 in numbers:
            raise ValueError("13 is too much")
        return [2 * number for number in numbers]


def until_waiting(gathered: Gathered[int, int], count: int) -> None:
    ends = time.monotonic() + WAIT_S
    while len(gathered._waiting) < count:
        assert time.monotonic() < ends, f"{len(gathered._waiting)} of {count} wait"
        time.sleep(0.01)


def test_who_asks_alone_is_answered_at_once() -> None:
    slow = Slow()
    slow.go.set()

    assert Gathered(slow).ask(4) == 8
    assert slow.asked == [[4]]


def test_those_who_come_meanwhile_are_answered_together() -> None:
    slow = Slow()
    gathered = Gathered(slow)
    with ThreadPoolExecutor(10) as threads:
        first = threads.submit(gathered.ask, 0)
        assert slow.is_busy.wait(WAIT_S)
        others = [threads.submit(gathered.ask, number) for number in range(1, 10)]
        until_waiting(gathered, len(others))
        slow.go.set()
        answers = [first.result(WAIT_S), *(other.result(WAIT_S) for other in others)]

    assert answers == [2 * number for number in range(10)]
    assert len(slow.asked) == 2
    assert sorted(slow.asked[1]) == list(range(1, 10))


def test_what_is_wrong_with_one_is_not_told_to_the_others() -> None:
    slow = Slow()
    gathered = Gathered(slow)
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(gathered.ask, 0)
        assert slow.is_busy.wait(WAIT_S)
        good = [threads.submit(gathered.ask, 7), threads.submit(gathered.ask, 8)]
        bad = threads.submit(gathered.ask, 13)
        until_waiting(gathered, len(good) + 1)
        slow.go.set()

        assert first.result(WAIT_S) == 0
        assert [one.result(WAIT_S) for one in good] == [14, 16]
        with pytest.raises(ValueError, match="13 is too much"):
            bad.result(WAIT_S)


def test_however_many_ask_again_and_again_each_gets_their_own_answer_and_never_two_at_a_time() -> None:
    busy = threading.Lock()

    def double(numbers: Sequence[int]) -> list[int]:
        assert busy.acquire(blocking=False), "somebody answers already"
        try:
            return [2 * number for number in numbers]
        finally:
            busy.release()

    gathered = Gathered(double)
    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(gathered.ask, range(5_000), timeout=WAIT_S))

    assert answers == [2 * number for number in range(5_000)]
    assert not gathered._waiting
    assert gathered.ask(1) == 2


def test_what_is_wrong_with_all_is_told_to_all_and_asked_once() -> None:
    slow = Slow()
    gathered = Gathered(slow, of_all=(ValueError,))
    with ThreadPoolExecutor(4) as threads:
        first = threads.submit(gathered.ask, 0)
        assert slow.is_busy.wait(WAIT_S)
        others = [threads.submit(gathered.ask, number) for number in (7, 13, 8)]
        until_waiting(gathered, len(others))
        slow.go.set()

        assert first.result(WAIT_S) == 0
        for other in others:
            with pytest.raises(ValueError, match="13 is too much"):
                other.result(WAIT_S)

    assert len(slow.asked) == 2
