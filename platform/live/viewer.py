"""One socket as the hub sees it: what it views, where it is in the sequence, and how much it owes.

Nothing here waits and nothing grows without a bound: a viewer that does not keep up first gets less, then is
closed with a code that means "come back and say where you were".
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable

from live import frames
from live.frames import Frame, Lane
from live.holding import Held
from live.stream import Envelope

SLOW = 4408

DEGRADE_BYTES = 512 * 1024
DEGRADE_S = 6.0
RECOVER_BYTES = 64 * 1024
CLOSE_BYTES = 2 * 1024 * 1024
CLOSE_S = 15.0
MOST_HELD_EVENTS = 1000


class Viewer:
    """Filled by a hub, emptied by the one task that writes to the socket."""

    def __init__(self, topics: Iterable[str] = ()) -> None:
        self.topics = frozenset(topics)
        self.is_paused = False
        self.close_code = 0
        self._epoch = ""
        self._seq = 0
        self._skipped: int = 0
        self._held: Held | None = None
        self._queue: deque[str] = deque()
        self._filled = asyncio.Event()
        self._owed: deque[tuple[int, int, float]] = deque()
        self._owed_bytes = 0

    @property
    def is_degraded(self) -> bool:
        return self._held is not None

    # -- For the hub ---------------------------------------------------------------------------------------

    def say(self, frame: Frame) -> None:
        """A frame without a place in the sequence."""
        self._put(frames.encode(frame).decode())

    def say_raw(self, data: bytes) -> None:
        self._put(data.decode())

    def stand_at(self, epoch: str, seq: int) -> None:
        """What follows continues from here; everything before is settled or void."""
        self._epoch, self._seq, self._skipped, self._held = epoch, seq, 0, None
        self._owed.clear()
        self._owed_bytes = 0
        self.is_paused = False

    def offer(self, envelope: Envelope, text: str) -> None:
        """The next frame of the sandbox. text: its JSON, decoded once for all viewers."""
        if self.is_paused or envelope.epoch != self._epoch or envelope.seq <= self._seq:
            return
        self._seq = envelope.seq
        is_mine = envelope.lane is not Lane.RECORDS or envelope.topic in self.topics
        if self._held is not None:
            (self._held.add if is_mine else self._held.skip)(envelope)
        elif not is_mine:
            self._skipped = self._skipped or envelope.seq
        else:
            self._settle(envelope.seq)
            self._send(envelope.seq, text)

    def tick(self, now: float) -> None:
        """Twice a second: let out what is held, and judge whether the viewer keeps up. now: monotonic
        seconds.
        """
        if self._held is not None:
            held, self._held = self._held, Held()
            for seq, data in held.take():
                self._send(seq, data.decode())
        self._settle(self._seq + 1)
        waiting = now - self._owed[0][2] if self._owed else 0.0
        if self._owed_bytes > CLOSE_BYTES or waiting > CLOSE_S or len(self._held or ()) > MOST_HELD_EVENTS:
            self.close(SLOW)
        elif self._held is None and (self._owed_bytes > DEGRADE_BYTES or waiting > DEGRADE_S):
            self._degrade()
        elif self._held is not None and self._owed_bytes < RECOVER_BYTES and waiting < 1.0:
            self._held = None

    def acknowledge(self, seq: int) -> None:
        """The browser has applied everything up to here."""
        while self._owed and self._owed[0][0] <= seq:
            self._owed_bytes -= self._owed.popleft()[1]

    def close(self, code: int) -> None:
        """Say no more; the writer closes the socket."""
        if not self.close_code:
            self.close_code = code
            self._queue.clear()
            self._filled.set()

    # -- For the writer ------------------------------------------------------------------------------------

    async def next(self) -> str | None:
        """The next text to send, in order; None when the socket is to be closed with `close_code`."""
        while not self._queue:
            if self.close_code:
                return None
            self._filled.clear()
            await self._filled.wait()
        return self._queue.popleft()

    # -- Inside --------------------------------------------------------------------------------------------

    def _degrade(self) -> None:
        self._held = Held()
        self._settle(self._seq + 1)

    def _settle(self, before: int) -> None:
        """Account for the frames since `_skipped` that were not for this viewer."""
        if self._skipped:
            skip = frames.Skip(
                e=self._epoch, s=before - 1, t=time.time_ns() // 1_000_000, from_=self._skipped
            )
            self._put(frames.encode(skip).decode())
            self._skipped = 0

    def _send(self, seq: int, text: str) -> None:
        self._owed.append((seq, len(text), time.monotonic()))
        self._owed_bytes += len(text)
        self._put(text)
        if self._owed_bytes > CLOSE_BYTES:
            self.close(SLOW)
        elif self._owed_bytes > DEGRADE_BYTES and self._held is None:
            self._degrade()

    def _put(self, text: str) -> None:
        if not self.close_code:
            self._queue.append(text)
            self._filled.set()
