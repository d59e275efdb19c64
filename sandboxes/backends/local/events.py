"""What the programs of one sandbox said and did: remembered for a while, and handed to whoever follows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from typing import Literal

from sandboxes.backends.base import ProgramEvent, ProgramRun
from sandboxes.backends.local.records import Record

WAITING_EVENTS = 2000
_OVERHEAD = 200  # bytes an event costs besides its text, roughly
_BLOCK = 10_000


class Numbers:
    """Numbers for events: set aside on disk in blocks, so that no restart gives one twice.

    save: writes the record to disk.
    """

    def __init__(self, record: Record, save: Callable[[], None]) -> None:
        self._record, self._save = record, save
        self._next = record.next_seq

    def take(self) -> int:
        number = self._next
        self._next += 1
        if self._next > self._record.next_seq:
            self._record.next_seq = self._next + _BLOCK
            self._save()
        return number


class EventRing:
    """The last `limit` bytes of events. take_seq gives the next number; it must never give one twice."""

    def __init__(self, limit: int, take_seq: Callable[[], int]) -> None:
        self._limit, self._take_seq = limit, take_seq
        self._events: deque[ProgramEvent] = deque()
        self._size = 0
        self._followers: set[asyncio.Queue[ProgramEvent | None]] = set()

    def add(
        self,
        program_id: str,
        kind: Literal["start", "output", "exit"],
        *,
        text: str = "",
        run: ProgramRun | None = None,
    ) -> None:
        event = ProgramEvent(seq=self._take_seq(), program_id=program_id, kind=kind, text=text, run=run)
        self._events.append(event)
        self._size += _cost(event)
        while self._size > self._limit and len(self._events) > 1:
            self._size -= _cost(self._events.popleft())
        for queue in list(self._followers):
            self._hand_over(queue, event)

    async def follow(self, after: int) -> AsyncGenerator[ProgramEvent, None]:
        """Events with seq > after: the remembered, then the live ones.

        Ends when the follower fell too far behind, or nothing more will come; it may ask again.
        """
        queue: asyncio.Queue[ProgramEvent | None] = asyncio.Queue(WAITING_EVENTS)
        remembered = [event for event in self._events if event.seq > after]
        self._followers.add(queue)
        try:
            for event in remembered:
                yield event
            while event_or_end := await queue.get():
                yield event_or_end
        finally:
            self._followers.discard(queue)

    def close(self) -> None:
        """Nothing more will happen: let all followers go."""
        for queue in list(self._followers):
            self._let_go(queue)

    def _hand_over(self, queue: asyncio.Queue[ProgramEvent | None], event: ProgramEvent) -> None:
        if queue.qsize() < WAITING_EVENTS - 1:
            queue.put_nowait(event)
        else:
            self._let_go(queue)

    def _let_go(self, queue: asyncio.Queue[ProgramEvent | None]) -> None:
        if queue in self._followers:
            self._followers.discard(queue)
            queue.put_nowait(None)


def _cost(event: ProgramEvent) -> int:
    return len(event.text) + _OVERHEAD
