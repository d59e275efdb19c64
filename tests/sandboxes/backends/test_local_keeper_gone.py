"""A keeper that has just died, or is too busy to answer: a sentence, and nothing untrue left behind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from sandboxes.backends.local import records
from sandboxes.backends.local.desk import Desk
from sandboxes.backends.local.disks import Disks
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperLink, KeeperRefused
from sandboxes.backends.local.population import Population
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.settings import Limits
from tests.sandboxes.backends.empty_house import sandbox_in, surroundings


class DeafLink:
    """Hears what it is asked, and never says so."""

    def __init__(self) -> None:
        self.heard: list[int] = []

    async def ask(self, request: dict[str, Any]) -> None:
        self.heard.append(request["signal"])
        raise KeeperGone("no answer")


def running(folder: Path, link: DeafLink) -> LocalSandbox:
    """As far as the host knows."""
    one = sandbox_in(folder)
    one.housing.link = cast(KeeperLink, link)
    one.nodes.alive.add("k1")
    one._answering.names.add("k1")
    one._ready = True
    return one


async def test_a_freeze_that_failed_leaves_nobody_believing_in_it(tmp_path: Path) -> None:
    link = DeafLink()
    one = running(tmp_path, link)

    with pytest.raises(KeeperGone):
        await one.freeze()

    on_disk = records.load(one.home)
    assert on_disk
    assert (one.observe().frozen, on_disk.frozen) == (False, False)
    assert link.heard == [19, 18]  # it may have stopped, so it is told to go on


@pytest.mark.parametrize("error", [KeeperGone, KeeperRefused])
@pytest.mark.logs("host.keeper_silent")
async def test_whoever_asks_for_what_a_dead_keeper_should_do_is_told_to_try_again(
    tmp_path: Path, error: Callable[[str], Exception]
) -> None:
    class DeadDesk(Desk):
        async def do_freeze(self, request: dict[str, Any]) -> dict[str, Any]:
            raise error("it ended")

    around = surroundings(tmp_path)
    population = Population(around)
    desk = DeadDesk(around, population, Disks(population.everyone, Limits()))

    said = await desk.answer({"op": "freeze", "sandbox_id": "0" * 32})

    assert "value" not in said
    assert "stopped unexpectedly" in str(said)
