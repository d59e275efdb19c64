"""All tabs of this process checked together: when they come, and every few seconds whether they still may.

A stream outlives the request that opened it, so that signing out must be looked for. One look costs the same
few queries for one tab or five hundred, and so does a thousand tabs that come back at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable

from channels.db import database_sync_to_async
from django.db import DatabaseError

from accounts.sockets import LATER
from live.access import Answer, Asker, judge

logger = logging.getLogger(__name__)

CHECK_S = 4.0  # and the look itself, within the five that were promised
# Between two looks for those who come; on a slow core a crowd would else be answered one by one.
GATHER_S = 0.05

Close = Callable[[int], None]


class Sessions:
    """Knows every open tab of this process; `close` is called with a code for those that must end."""

    def __init__(self, most_per_user: int) -> None:
        self._most = most_per_user
        self._open: dict[Asker, set[Close]] = {}
        self._counts: Counter[int] = Counter()
        self._asked: dict[Asker, asyncio.Future[Answer]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._answering: asyncio.Task[None] | None = None

    @property
    def tasks(self) -> list[asyncio.Task[None]]:
        return [task for task in (self._looking, self._answering) if task]

    async def admit(self, asker: Asker) -> Answer:
        """May this one watch, now? The first is answered at once, who asks meanwhile with the next."""
        if asker not in self._asked:
            self._asked[asker] = asyncio.get_running_loop().create_future()
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._answer())
        return await asyncio.shield(self._asked[asker])

    def add(self, asker: Asker, user_id: int, close: Close) -> bool:
        """Look after an admitted tab until `remove`; False when its user has too many."""
        if self._counts[user_id] >= self._most:
            return False
        self._counts[user_id] += 1
        self._open.setdefault(asker, set()).add(close)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        return True

    def remove(self, asker: Asker, user_id: int, close: Close) -> None:
        self._counts[user_id] -= 1
        if self._counts[user_id] <= 0:
            del self._counts[user_id]
        self._open[asker].discard(close)
        if not self._open[asker]:
            del self._open[asker]

    async def _answer(self) -> None:
        while self._asked:
            asked, self._asked = self._asked, {}
            answers = await self._judged(asked)
            for asker, waiting in asked.items():
                if not waiting.done():
                    waiting.set_result(answers.get(asker, Answer(code=LATER)))
            await asyncio.sleep(GATHER_S)

    async def _look(self) -> None:
        """For as long as a tab is open."""
        while self._open:
            await asyncio.sleep(CHECK_S)
            for asker, answer in (await self._judged(self._open)).items():
                if answer.code:
                    for close in list(self._open.get(asker, ())):
                        close(answer.code)

    @staticmethod
    async def _judged(askers: Iterable[Asker]) -> dict[Asker, Answer]:
        """Nothing when the database is busy for longer than anybody should wait."""
        try:
            return await database_sync_to_async(judge)(list(askers))
        except DatabaseError:
            logger.exception("live.sessions")
            return {}
