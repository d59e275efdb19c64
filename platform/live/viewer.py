"""One tab as the hub sees it: what it views, where it is in the sequence, and how much it owes.

Nothing here waits and nothing grows without a bound: a viewer that does not keep up first gets less, then is
closed with a code that means "come back and say where you were".
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable

from accounts.sockets import SLOW
from live import frames, metrics
from live.frames import Frame, Lane
from live.holding import Held
from live.ops import Place
from live.outgoing import Outgoing
from live.stream import Envelope
from live.volley import Debt, Volley

DEGRADE_BYTES = 512 * 1024
DEGRADE_S = 6.0
RECOVER_BYTES = 64 * 1024
CLOSE_BYTES = 2 * 1024 * 1024
CLOSE_S = 15.0


class Viewer:
    """Filled by a hub; what is to be sent waits in `outgoing`.

    on_close: called once, when there is no more to say and the tab is to be let go with `close_code`.
    """

    def __init__(self, topics: Iterable[str] = (), on_close: Callable[[], object] | None = None) -> None:
        self.topics = frozenset(topics)
        self.outgoing = Outgoing()
        self.is_paused = False
        self.close_code = 0
        self._on_close = on_close
        self._epoch = ""
        self._seq = self._given = 0
        self._skipped: int = 0
        self._held: Held | None = None
        self._owed: deque[Debt] = deque()
        self._owed_bytes = 0

    @property
    def is_degraded(self) -> bool:
        return self._held is not None

    @property
    def place(self) -> Place | None:
        """Where a tab stands that has got everything handed out so far; None while more is waiting."""
        return None if self.outgoing or not self._epoch else Place(self._epoch, self._given)

    # -- For the hub ---------------------------------------------------------------------------------------

    def say(self, frame: Frame) -> None:
        """A frame without a place in the sequence."""
        self.outgoing.put(frames.encode(frame).decode())

    def say_raw(self, text: str) -> None:
        self.outgoing.put(text)

    def stand_at(self, epoch: str, seq: int) -> None:
        """What follows continues from here; everything before is settled or void."""
        self._epoch, self._seq, self._given, self._skipped, self._held = epoch, seq, seq, 0, None
        self._owed.clear()
        self._owed_bytes = 0
        self.is_paused = False

    def offer_all(self, volley: Volley) -> None:
        """The next frames of the sandbox; in one step when this viewer gets all of them, as most do."""
        if volley.together and self._takes_whole(volley):
            self._seq = volley.debt[0]
            self._send(volley.together, volley.debt)
            return
        for envelope, text in volley.frames:
            self.offer(envelope, text)

    def _takes_whole(self, volley: Volley) -> bool:
        is_next = volley.first == self._seq + 1 and volley.epoch == self._epoch
        return (
            is_next
            and volley.topics <= self.topics
            and not (self._skipped or self.is_paused or self._held is not None)
        )

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
            self._send(text, _debt(envelope.seq, text))

    def tick(self, now: float) -> None:
        """Twice a second: let out what is held, and judge whether the viewer keeps up. now: monotonic
        seconds.
        """
        if self._held is not None:
            held, self._held = self._held, Held()
            for seq, data in held.take():
                text = data.decode()
                self._send(text, _debt(seq, text))
        self._settle(self._seq + 1)
        waiting = now - self._owed[0][2] if self._owed else 0.0
        if self._owed_bytes > CLOSE_BYTES or waiting > CLOSE_S:
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
            if code == SLOW:
                metrics.SLOW_CLOSES.inc()
            self.outgoing.close()
            if self._on_close:
                self._on_close()

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
            self.outgoing.put(frames.encode(skip).decode())
            metrics.SKIPPED.inc(before - self._skipped)
            self._given, self._skipped = before - 1, 0

    def _send(self, text: str, debt: Debt) -> None:
        self._owed.append(debt)
        self._given = debt[0]
        self._owed_bytes += debt[1]
        self.outgoing.put(text)
        if self._owed_bytes > CLOSE_BYTES:
            self.close(SLOW)
        elif self._owed_bytes > DEGRADE_BYTES and self._held is None:
            self._degrade()


def _debt(seq: int, text: str) -> Debt:
    return seq, len(text), time.monotonic()
