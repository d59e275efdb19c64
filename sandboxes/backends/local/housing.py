"""The keeper of one sandbox, seen from the host: started, found again, talked to, ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from collections.abc import Callable

from sandboxes.backends.local import ground, records
from sandboxes.backends.local.keeper_link import Event, KeeperGone, KeeperLink
from sandboxes.backends.local.records import Home, Record
from sandboxes.backends.local.surroundings import Surroundings
from sandboxes.backends.local.waiting import in_thread

_DIAL_GAP_S = 0.003
_KEEPER_S = 10.0


class Housing:
    """Namespaces, process 1 in them, and the line to it.

    on_event: what the keeper says unasked; on_lost: once, when it has gone by itself.
    """

    def __init__(
        self,
        around: Surroundings,
        home: Home,
        record: Record,
        *,
        on_event: Callable[[Event], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._around, self._home, self._record = around, home, record
        self._on_event, self._on_lost = on_event, on_lost
        self._process: subprocess.Popen[bytes] | None = None
        self.link: KeeperLink | None = None

    def get_link(self) -> KeeperLink | None:
        """The line as it is now, for those that must not keep one."""
        return self.link

    def lives(self) -> bool:
        """Whether the process that the record names is still that process."""
        return records.process_start(self._record.keeper_pid) == self._record.keeper_start != 0

    async def have(self) -> None:
        """Start it unless it is there. Raises GroundError, KeeperGone, TimeoutError, OSError."""
        if self.link:
            return
        await in_thread(ground.make_home, self._home, self._record)
        settings = self._around.settings
        self._process = ground.start_keeper(
            self._around.parts,
            self._home,
            self._record,
            seen_home=self._around.seen(self._home),
            lock_file=settings.lock_file,
            grace_s=settings.lock_grace_s,
        )
        records.save(self._home, self._record)  # a keeper that no record knows could not be found again
        async with asyncio.timeout(_KEEPER_S):
            while not self.link:
                try:
                    await self.connect()
                except KeeperGone:
                    if self._process.poll() is not None:
                        raise
                    await asyncio.sleep(_DIAL_GAP_S)

    async def connect(self) -> None:
        """Reach the one that lives. Raises KeeperGone."""
        self.link = await KeeperLink.connect(
            self._home.run, self._record.token, self._on_event, self._on_lost
        )

    def hang_up(self) -> None:
        """Leave it running, for the next host or for `end`."""
        if self.link:
            self.link.close()
            self.link = None

    async def end(self) -> None:
        """Kill process 1; the kernel ends all others with it. Waits until it has gone."""
        self.hang_up()
        if self.lives():
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._record.keeper_pid, signal.SIGKILL)
        # Not our child, so there is nothing to wait on; it takes some 10 ms.
        while self.lives():  # noqa: ASYNC110
            await asyncio.sleep(_DIAL_GAP_S)
        self.forget()

    def forget(self) -> None:
        """It has gone. Bubblewrap's monitor, which is our child, is waited for aside."""
        self.link = None
        self._record.keeper_pid = self._record.keeper_start = 0
        self._record.frozen = False
        if self._process:
            reaping = asyncio.get_running_loop().run_in_executor(None, self._process.wait)
            reaping.add_done_callback(lambda _: None)
            self._process = None
