"""All sandboxes that this host has: found again on disk, made, looked up, forgotten when they are gone."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from sandboxes.backends.base import BackendError, Observation, Phase
from sandboxes.backends.local import ground, kafka, records
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.surroundings import Surroundings


class Population:
    def __init__(self, around: Surroundings) -> None:
        self._around = around
        self._folder = around.settings.sandbox_dir
        self._by_id: dict[str, LocalSandbox] = {}

    def everyone(self) -> Collection[LocalSandbox]:
        return self._by_id.values()

    def numbers(self) -> set[int]:
        """Those that are taken: each stands for an address and, under root, a user."""
        return {one.record.number for one in self._by_id.values()}

    def remember(self) -> None:
        """Find on disk what an earlier host left."""
        for folder in self._folder.iterdir():
            home = Home(folder)
            if folder.name.startswith(".probe-"):
                ground.remove_home(home)
            elif not folder.name.startswith("."):
                self._remember_one(folder.name, home)

    def _remember_one(self, sandbox_id: str, home: Home) -> None:
        """A folder without a readable record is listed and can be removed, no more."""
        record = records.load(home)
        if record is not None and record.sandbox_id == sandbox_id and record.profile in kafka.PROFILES:
            self._by_id[sandbox_id] = LocalSandbox(self._around, home, record)

    def get(self, sandbox_id: str) -> LocalSandbox | None:
        """The sandbox, unless it is gone, which is noticed here."""
        one = self._by_id.get(sandbox_id)
        if one and one.gone:
            del self._by_id[sandbox_id]
            return None
        return one

    def create(self, sandbox_id: str, profile: str, generation: int) -> LocalSandbox:
        """A home and a record; nothing runs yet. BackendError when there is data whose record is lost."""
        home = Home(self._folder / sandbox_id)
        if home.data.is_dir() and any(home.data.iterdir()):  # another identity would never fit to it
            raise BackendError(
                "What the platform knew of your sandbox was damaged, so its data cannot be started again. "
                "Start over to get an empty one."
            )
        record = records.new_record(
            sandbox_id=sandbox_id,
            profile=profile,
            generation=generation,
            number=records.free_number(self._folder, self.numbers()),
        )
        record.goal = "stopped"  # until it is wanted, a moment from now
        ground.make_home(home, record)
        records.save(home, record)
        asyncio.get_running_loop().run_in_executor(None, records.settle, home)  # no start waits for the disk
        one = self._by_id[sandbox_id] = LocalSandbox(self._around, home, record)
        return one

    def names(self) -> list[str]:
        """Ids of all that has a folder here, known or not."""
        on_disk = {path.name for path in self._folder.iterdir()}
        return sorted(name for name in on_disk if not name.startswith("."))

    def observe(self, sandbox_id: str) -> Observation:
        one = self.get(sandbox_id)
        if one is None:
            phase = Phase.STOPPED if (self._folder / sandbox_id).exists() else Phase.ABSENT
            return Observation(sandbox_id=sandbox_id, phase=phase)
        return one.observe()

    async def remove_stray(self, sandbox_id: str) -> None:
        """A folder we have no record of: nothing of ours can run in it."""
        home = Home(self._folder / sandbox_id)
        if home.root.exists():
            await asyncio.to_thread(ground.remove_home, home)
