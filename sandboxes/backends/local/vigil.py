"""Whether the brokers that run also answer: to the keeper, which sees processes, one that hangs looks alive.

Every ten seconds each broker that is up and awake is asked once who it is, on the platform's own listener,
which no fault of the deck disturbs. A frozen one is asked nothing. One that has been silent for half a minute
is ended and started anew with its data: that long, because a machine that is busy makes brokers slow, and a
restart would make it busier.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable

from sandboxes.backends.local import handshake
from sandboxes.backends.local.kafka import Node
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperRefused
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.settings import Limits

logger = logging.getLogger(__name__)

_PATIENCE_S = 5.0
# A round that begins so much too late says that this process was held up, and nothing about brokers.
_LATE_S = 5.0
_AT_ONCE = 32
# So many may hang at the same time without more than half of all being suspicious.
_FEW = 2
# So many times as long most may be silent before it is taken for theirs after all.
_DOUBT = 10


class Vigil:
    """Give it what there is; `run` looks again and again."""

    def __init__(self, sandboxes: Callable[[], Iterable[LocalSandbox]], limits: Limits) -> None:
        self._sandboxes = sandboxes
        self._every_s, self._silent_s = limits.broker_look_s, limits.broker_silent_s
        self._silent: dict[tuple[str, str], float] = {}  # since when, by sandbox and node
        self._places = asyncio.Semaphore(_AT_ONCE)

    async def run(self) -> None:
        while True:
            due = time.monotonic() + self._every_s
            await asyncio.sleep(self._every_s)
            if time.monotonic() > due + _LATE_S:
                self._silent.clear()
            await self.look()

    async def look(self) -> None:
        """Ask every broker that should answer; whoever is not asked begins anew."""
        asked = [(one, node) for one in self._sandboxes() for node in one.expected()]
        heard = await asyncio.gather(*(self._hears(one, node) for one, node in asked))
        silent = [pair for pair, is_heard in zip(asked, heard, strict=True) if not is_heard]
        patience_s = self._silent_s
        if len(silent) > max(_FEW, len(asked) // 2):
            # What most of them have in common is us: no more descriptors, a relay that accepts nothing.
            logger.info("sandbox.all_silent", extra={"silent": len(silent), "asked": len(asked)})
            patience_s *= _DOUBT
        now = time.monotonic()
        self._silent = {_name(*pair): self._silent.get(_name(*pair), now) for pair in silent}
        for one, node in silent:
            silent_s = now - self._silent[_name(one, node)]
            if silent_s >= patience_s:
                await self._end(one, node)
            else:
                logger.info("sandbox.silent", extra={"sandbox": one.record.sandbox_id, "node": node.name})

    async def _hears(self, one: LocalSandbox, node: Node) -> bool:
        """Whether it answers, or is not to any more."""
        async with self._places:
            return await _answers(one, node) or node not in one.expected()

    async def _end(self, one: LocalSandbox, node: Node) -> None:
        del self._silent[_name(one, node)]
        try:
            await one.hangs(node)
        except (KeeperGone, KeeperRefused):
            pass  # then it ends with its keeper
        except Exception:  # a fault of ours with one must not end the watch over the others
            logger.exception("sandbox.vigil", extra={"sandbox": one.record.sandbox_id})


def _name(one: LocalSandbox, node: Node) -> tuple[str, str]:
    return one.record.sandbox_id, node.name


async def _answers(one: LocalSandbox, node: Node) -> bool:
    asking = handshake.cluster_id(
        one.record.address, node.platform_port, password=one.record.password, timeout_s=_PATIENCE_S
    )
    try:
        return await asking == one.record.cluster_id
    except handshake.NoAnswer:
        return False
