"""Watches what running sandboxes hold on disk: the kernel has no quota for a folder."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable

from sandboxes.backends.local import ground, trees, troubles
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.settings import Limits
from sandboxes.backends.local.trees import Usage

logger = logging.getLogger(__name__)

_LOOK_S = 5.0
_PLENTY = Usage(1 << 40, 1_000_000)


class Disks:
    """Give it what there is; `run` stops the one whose data outgrows its room, and remembers all sizes."""

    def __init__(self, sandboxes: Callable[[], Iterable[LocalSandbox]], limits: Limits) -> None:
        self._sandboxes = sandboxes
        self._most = Usage(limits.data_bytes, limits.data_files)
        self._seen: dict[str, int] = {}

    async def bytes_of(self, one: LocalSandbox) -> int:
        """Data, files and logs as of the last look, which is now when there was none."""
        name = one.record.sandbox_id
        if name not in self._seen:
            await self._look_at(one)
        return self._seen[name]

    async def run(self) -> None:
        while True:
            await self.look()
            await asyncio.sleep(_LOOK_S)

    async def look(self) -> None:
        """A frozen sandbox writes nothing, so it is looked at once."""
        present = list(self._sandboxes())
        for one in present:
            if one.is_running() and not (one.record.frozen and one.record.sandbox_id in self._seen):
                try:
                    await self._look_at(one)
                except Exception:  # one that cannot be looked at must not end the only quota there is
                    logger.exception("sandbox.disk_look", extra={"sandbox": one.record.sandbox_id})
        names = {one.record.sandbox_id for one in present}
        self._seen = {name: size for name, size in self._seen.items() if name in names}

    async def _look_at(self, one: LocalSandbox) -> None:
        data = await asyncio.to_thread(trees.usage, one.home.data, most=self._most)
        work = await asyncio.to_thread(trees.usage, one.home.work, most=_PLENTY)
        await asyncio.to_thread(ground.cut_logs, one.home)
        logs = await asyncio.to_thread(trees.usage, one.home.logs, most=_PLENTY)
        self._seen[one.record.sandbox_id] = data.size + work.size + logs.size
        trouble = troubles.of_data(data, self._most)
        if one.is_running() and trouble:
            await one.outgrown(trouble)
