"""Texts on their way to one tab, in order; what waits together goes out together."""

from __future__ import annotations

import asyncio
from collections import deque
from functools import lru_cache

# Frames that wait together share the cost of sending: as the lines of one message.
MESSAGE_BYTES = 64 * 1024


class Outgoing:
    """A queue for the one task that writes to a tab. How much may wait is its viewer's to judge."""

    def __init__(self) -> None:
        self._texts: deque[str] = deque()
        self._wanting: asyncio.Future[None] | None = None
        self._is_closed = False

    def __bool__(self) -> bool:
        """Whether something waits."""
        return bool(self._texts)

    def put(self, text: str) -> None:
        if not self._is_closed:
            self._texts.append(text)
            self._wake()

    def close(self) -> None:
        """Forget what waits; the writer is told that it was all."""
        self._is_closed = True
        self._texts.clear()
        self._wake()

    async def next(self) -> str | None:
        """What to send next: a line for each frame that waits, some 64 KiB at most; None when it was all."""
        while not self._texts:
            if self._is_closed:
                return None
            self._wanting = asyncio.get_running_loop().create_future()
            await self._wanting
        return self._texts.popleft() if len(self._texts) == 1 else self._joined()

    def take_all(self) -> list[str]:
        """What waits at this moment, a frame each."""
        texts, self._texts = self._texts, deque()
        return [line for text in texts for line in text.split("\n")]

    def _joined(self) -> str:
        lines = [self._texts.popleft()]
        size = len(lines[0])
        while self._texts and (size := size + len(self._texts[0])) <= MESSAGE_BYTES:
            lines.append(self._texts.popleft())
        return _message(tuple(lines))

    def _wake(self) -> None:
        if self._wanting is not None and not self._wanting.done():
            self._wanting.set_result(None)


@lru_cache(maxsize=32)
def _message(lines: tuple[str, ...]) -> str:
    """The same frames wait together for many tabs: one text for all of them."""
    return "\n".join(lines)
