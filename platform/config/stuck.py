"""Finds a worker that lives and executes nothing, and says what to start again. No clock, no I/O of its own.

After a restart of Redis a Celery worker may stay connected and never be given a task again (celery#10205).
Beat sends a heartbeat every five seconds, and every executed task touches a file; when that file stands
still for a minute although Redis answers, the worker is started again. If that does not help, beat is, then
the worker once more, each time after twice the patience. Nothing is done while Redis is away, since nobody
can work then.
"""

from dataclasses import dataclass, field

AFTER_S = 60.0
_MOST_DOUBLINGS = 5
_SUSPECTS = ("worker", "beat")


@dataclass(slots=True)
class Patience:
    """Tell it what is seen; it says whom to start again. All times are of one monotonic clock, seconds.

    since: the latest moment from which on work was to be expected.
    """

    since: float
    strikes: int = 0
    _pulse: float | None = field(default=None)

    def look(self, now: float, *, pulse: float | None, redis: bool) -> str | None:
        """pulse: the file's time of change, on whatever clock; None while there is no such file."""
        if pulse != self._pulse:
            self._pulse, self.since, self.strikes = pulse, now, 0
        elif not redis:
            self.since = now
        elif now - self.since > AFTER_S * 2 ** min(self.strikes, _MOST_DOUBLINGS):
            self.since, self.strikes = now, self.strikes + 1
            return _SUSPECTS[(self.strikes - 1) % len(_SUSPECTS)]
        return None
