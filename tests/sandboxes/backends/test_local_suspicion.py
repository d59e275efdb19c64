"""Which silence is a broker's, and which is more likely our own."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from sandboxes.backends.local import vigil
from sandboxes.backends.local.settings import Limits

NODE = SimpleNamespace(name="broker-1", platform_port=1)


@dataclass
class Broker:
    """A sandbox with one broker, which answers or not; ending it may fail by a fault of ours."""

    name: str
    is_silent: bool = False
    fails: bool = False
    ended: int = 0
    record: Any = field(init=False)

    def __post_init__(self) -> None:
        self.record = SimpleNamespace(sandbox_id=self.name)

    def expected(self) -> tuple[Any, ...]:
        return () if self.ended else (NODE,)

    async def hangs(self, node: Any) -> None:
        self.ended += 1
        if self.fails:
            raise RuntimeError("a fault of ours")


@pytest.fixture
def brokers(monkeypatch: pytest.MonkeyPatch) -> list[Broker]:
    async def answers(one: Any, node: Any) -> bool:
        return not one.is_silent

    monkeypatch.setattr(vigil, "_answers", answers)
    return [Broker(f"{number}" * 32) for number in range(6)]


def watching(brokers: list[Broker], silent_s: float = 0.0) -> vigil.Vigil:
    """With no patience at all, unless some is given."""
    return vigil.Vigil(lambda: brokers, Limits(broker_silent_s=silent_s))  # type: ignore[arg-type, return-value]


async def test_who_is_silent_for_too_long_is_ended_and_nobody_else(brokers: list[Broker]) -> None:
    brokers[2].is_silent = True

    await watching(brokers).look()

    assert [one.ended for one in brokers] == [0, 0, 1, 0, 0, 0]


async def test_when_most_are_silent_at_once_none_is_ended_before_much_longer(
    brokers: list[Broker], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr(vigil, "time", SimpleNamespace(monotonic=lambda: clock[0]))
    watch = watching(brokers, silent_s=30)
    for one in brokers[:4]:
        one.is_silent = True

    for clock[0] in (1000.0, 1040.0, 1299.0):
        await watch.look()
    assert not any(one.ended for one in brokers)

    clock[0] = 1300.0
    await watch.look()
    assert [one.ended for one in brokers] == [1, 1, 1, 1, 0, 0]


@pytest.mark.logs("sandbox.vigil")
async def test_a_fault_of_ours_with_one_does_not_end_the_watch_over_the_others(brokers: list[Broker]) -> None:
    for one in brokers[:2]:
        one.is_silent = one.fails = True

    await watching(brokers).look()

    assert [one.ended for one in brokers] == [1, 1, 0, 0, 0, 0]
