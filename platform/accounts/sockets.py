"""What every websocket allows one person: so many at a time in a process, so many words a second."""

from __future__ import annotations

import time
from collections import Counter

from django.conf import settings

LATER = 1013  # "try again later" (RFC 6455 section 11.7)
# 4000-4999 are ours to define (section 7.4.2).
BAD_FRAME, SIGNED_OUT, FORBIDDEN, NO_SUCH, SLOW, TOO_MANY = 4400, 4401, 4403, 4404, 4408, 4429
INBOUND_BYTES = 4096
WORDS_PER_S = 20
WORDS_AT_ONCE = 60


class Seats:
    """The sockets of one kind in this process. For one thread, a loop's."""

    def __init__(self) -> None:
        self._taken: Counter[int] = Counter()

    def take(self, user_id: int) -> bool:
        """False when this user has all that one may have."""
        if self._taken[user_id] >= settings.LIVE_TABS_PER_USER:
            return False
        self._taken[user_id] += 1
        return True

    def leave(self, user_id: int) -> None:
        self._taken[user_id] -= 1
        if self._taken[user_id] <= 0:
            del self._taken[user_id]

    def __bool__(self) -> bool:
        """Whether anybody sits here."""
        return bool(self._taken)


class Pace:
    """How often one browser speaks: a page of ours once in a while, and some words together when it comes."""

    def __init__(self) -> None:
        self._left = float(WORDS_AT_ONCE)
        self.spoken_at = time.monotonic()

    def may_speak(self) -> bool:
        """Take note of a word; False when it is one too many."""
        now = time.monotonic()
        self._left = min(WORDS_AT_ONCE, self._left + (now - self.spoken_at) * WORDS_PER_S) - 1
        self.spoken_at = now
        return self._left >= 0
