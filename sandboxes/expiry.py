"""Until when a sandbox may stay awake: what counts as use, and when it is put to sleep.

Sleeping keeps everything, so the clock is there to give memory back, not to threaten anybody.
"""

from datetime import datetime, timedelta

from django.utils import timezone

from sandboxes.models import Sandbox

IDLE = timedelta(minutes=30)
WARN = timedelta(minutes=5)
CAP_HOURS = 10
HARD_CAP = timedelta(hours=CAP_HOURS)
# Use is written down at most this often; a saved key stroke each second must not be a write each second.
GRAIN = timedelta(seconds=5)


def hard_cap(sandbox: Sandbox) -> datetime:
    """When it is put to sleep whatever happens: so long after its hand-over or last wake."""
    return (sandbox.begun_at or timezone.now()) + HARD_CAP


def expiry_after(sandbox: Sandbox, used_at: datetime) -> datetime:
    """Half an hour after its last use, or when a hold ends; never later than the cap after its last start."""
    begun_at = sandbox.begun_at or used_at
    return min(max(used_at + IDLE, sandbox.held_until or used_at), begun_at + HARD_CAP)


def touch(sandbox: Sandbox, source: str, at: datetime, *, always: bool = False) -> bool:
    """Write down a use; False when one was written a moment ago. source: "file", "program", "check"..."""
    last = sandbox.last_activity_at
    is_fresh = last is not None and at - last < GRAIN and sandbox.last_activity_source == source
    if is_fresh and not always:
        return False
    sandbox.last_activity_at, sandbox.last_activity_source = at, source
    sandbox.expires_at = expiry_after(sandbox, at)
    Sandbox.objects.filter(pk=sandbox.pk).update(
        last_activity_at=at, last_activity_source=source, expires_at=sandbox.expires_at
    )
    return True
