"""The last control events about one sandbox, for tabs that ask now and then instead of being told."""

from __future__ import annotations

from collections import deque

from live.frames import Control
from live.picture import now_ms

# Events may have been lost: whoever is told this asks for everything again.
MISSED = "missed"
_KEPT = 64


class News:
    """Complete from the last `missed` on, empty until the first; who asks for what was before gets that."""

    def __init__(self) -> None:
        self._kept: deque[Control] = deque(maxlen=_KEPT)
        self._complete_after: int | None = None

    def keep(self, frame: Control) -> None:
        if frame.kind == MISSED:
            self._kept.clear()
            self._complete_after = frame.t
            return
        if len(self._kept) == _KEPT and self._complete_after is not None:
            self._complete_after = self._kept[0].t
        self._kept.append(frame)

    def since(self, t: int) -> list[Control]:
        """What was told from `t` on, ms since the epoch; 0 for a tab that has only just come."""
        missed = [Control(t=now_ms(), kind=MISSED, data={})]
        if self._complete_after is None:
            return missed if t else []
        if t <= self._complete_after:
            return missed
        return [frame for frame in self._kept if frame.t >= t]
