"""What one web process has of the live view: one hub, one look at all sessions, and its streams by name."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable

from django.conf import settings

from live import control
from live.access import Asker
from live.feed import Feed, connect
from live.hub import Hub
from live.sessions import Sessions
from live.stopping import stop
from live.tab import Tab


class Process:
    """Made on a running loop, for that loop."""

    def __init__(self) -> None:
        self.hub = Hub(Feed(connect(settings.REDIS_URL)), control.follow, self._take_op)
        self.sessions = Sessions(settings.LIVE_TABS_PER_USER)
        self.streams: dict[str, Tab] = {}
        self._errands: set[asyncio.Task[None]] = set()

    def tab(self, asker: Asker, on_close: Callable[[], object] | None = None) -> Tab:
        return Tab(asker, self.hub, self.sessions, on_close)

    async def close(self) -> None:
        await self.hub.close()
        await stop([*self.sessions.tasks, *self._errands])

    def _take_op(self, name: str, text: str) -> None:
        tab = self.streams.get(name)
        if tab:
            errand = asyncio.create_task(tab.take(text))
            self._errands.add(errand)
            errand.add_done_callback(self._errands.discard)


_processes: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Process] = weakref.WeakKeyDictionary()


def of_this_process() -> Process:
    """The one of the running loop: a web process has one loop."""
    loop = asyncio.get_running_loop()
    if loop not in _processes:
        _processes[loop] = Process()
    return _processes[loop]


async def close_all() -> None:
    """For tests, whose loops come and go."""
    for process in list(_processes.values()):
        await process.close()
    _processes.clear()
