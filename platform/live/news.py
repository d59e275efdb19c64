"""The last control events about one sandbox, for tabs that ask now and then instead of being told."""

from __future__ import annotations

from collections import deque

from live.frames import Control
from live.picture import now_ms

# Events may have been lost: whoever is told this asks for everything again.
MISSED = "missed"
_KEPT = 64


class News:
    """Complete from the moment it was made; older questions get `missed`."""

    def __init__(self) -> None:
        self._kept: deque[Control] = deque(maxlen=_KEPT)
        self._since = now_ms()

    def keep(self, frame: Control) -> None:
        if len(self._kept) == _KEPT:
            self._since = self._kept[0].t
        self._kept.append(frame)

    def since(self, t: int) -> list[Control]:
        """What was told after `t`, ms since the epoch; 0 for a tab that has only just come."""
        if t and t < self._since:
            return [Control(t=now_ms(), kind=MISSED, data={})]
        return [frame for frame in self._kept if frame.t > t] if t else []
