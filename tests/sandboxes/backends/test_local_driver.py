"""A newer goal takes over from the one in work: never do two pieces of work go on at a time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from sandboxes.backends.base import Fault, Phase
from sandboxes.backends.local import records, troubles
from sandboxes.backends.local.driver import Driver
from tests.sandboxes.backends.empty_house import sandbox_in


class Stubborn:
    """Work that takes note of being ended, and needs a while to end."""

    def __init__(self) -> None:
        self.begun, self.may_end = asyncio.Event(), asyncio.Event()
        self.has_ended = False

    async def __call__(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await self.may_end.wait()
            self.has_ended = True


async def test_newer_work_begins_when_the_former_has_ended() -> None:
    driver, former, seen = Driver(), Stubborn(), list[bool]()
    driver.take_up(former)
    await former.begun.wait()

    driver.take_up(lambda: note(seen, former))
    await asyncio.sleep(0)
    early = list(seen)
    former.may_end.set()
    await until_idle(driver)

    assert (early, seen) == ([], [True])


async def test_work_that_was_taken_over_before_it_began_hides_nothing_that_goes_on() -> None:
    driver, former, seen = Driver(), Stubborn(), list[bool]()
    driver.take_up(former)
    await former.begun.wait()

    driver.take_up(lambda: note(seen, former))  # in the same turn of the loop
    driver.take_up(lambda: note(seen, former))
    asyncio.get_running_loop().call_later(0.05, former.may_end.set)
    await until_idle(driver)

    assert seen == [True]


async def test_when_it_is_ended_nothing_goes_on() -> None:
    driver, former, seen = Driver(), Stubborn(), list[bool]()
    driver.take_up(former)
    await former.begun.wait()
    driver.take_up(lambda: note(seen, former))
    former.may_end.set()

    await driver.end()

    assert (driver.is_busy, former.has_ended, seen) == (False, True, [])


async def test_a_disk_that_is_full_does_not_undo_a_removal(tmp_path: Path) -> None:
    one = sandbox_in(tmp_path)
    one._ready = True
    one.want("gone")

    await one.outgrown(troubles.TOO_MUCH_DATA)
    await until_idle(one._driver)

    assert (one.record.goal, one.observe().phase) == ("gone", Phase.ABSENT)


async def test_a_fault_of_another_strength_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    one = sandbox_in(tmp_path)
    for ms in (100, 400):
        await one.inject(Fault(kind="latency", node=1, ms=ms))
    await one.inject(Fault(kind="cut", node=1))

    held = records.load(one.home)
    await one.undo(Fault(kind="latency", node=1, ms=0))
    left = records.load(one.home)

    assert held is not None
    assert left is not None
    assert [(fault.kind, fault.ms) for fault in held.faults] == [("latency", 400), ("cut", 0)]
    assert [fault.kind for fault in left.faults] == ["cut"]


async def test_a_node_is_started_again_although_another_start_is_in_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, former, seen = sandbox_in(tmp_path), Stubborn(), list[bool]()
    monkeypatch.setattr(one, "_work", lambda: note(seen, former))
    one.record.goal = "running"
    kill = Fault(kind="broker_kill", node=1)
    one._faults.hold(kill)
    one._driver.take_up(former)
    await former.begun.wait()

    for _ in range(3):  # the deadline, the sweep and a person
        await one.undo(kill)
    former.may_end.set()
    await until_idle(one._driver)

    assert seen == [True]


async def note(seen: list[bool], former: Stubborn) -> None:
    seen.append(former.has_ended)


async def until_idle(driver: Driver) -> None:
    async with asyncio.timeout(60):
        while driver.is_busy:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(("status", "is_told"), [(1 << 8, True), (0, True), (137 << 8, False), (9, False)])
def test_a_broker_that_was_killed_is_not_quoted(status: int, is_told: bool) -> None:
    trouble = troubles.of_exit(status, while_starting=False, said="WARN something else, a while ago")

    assert trouble.cause == "broker_exited"
    assert ("WARN" in trouble.detail) is is_told
