"""What an instructor may do for a student of theirs."""

from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from sandboxes import selectors
from sandboxes import services as sandbox_services
from sandboxes.errors import NotPossibleNow

KEEP_AWAKE = timedelta(minutes=30)


def keep_awake(student: User, *, by: User) -> str:
    """Hold the student's sandbox awake for another while, and say so. Raises NotPossibleNow."""
    sandbox = selectors.live_sandbox(student)
    if sandbox is None:
        raise NotPossibleNow(f"{student.shown_name} has no sandbox now, so there is nothing to keep awake.")
    sandbox_services.hold(sandbox, until=timezone.now() + KEEP_AWAKE, by=by, reason="more time in class")
    held = sandbox.held_until or timezone.now()
    return f"The sandbox of {student.shown_name} stays awake until {held:%H:%M} UTC at least."
