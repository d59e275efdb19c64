"""What an admin may ask of a cluster. Each is logged with who asked; a reservation keeps that in its row."""

import logging
from datetime import timedelta

from django.utils import timezone

from accounts.models import User
from sandboxes import services
from sandboxes.console import words
from sandboxes.errors import NotPossibleNow
from sandboxes.models import Cluster, PoolReservation

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 64
MOST_RESERVED = 500
LONGEST_RESERVED_MIN = 24 * 60


def set_open(cluster: Cluster, *, is_open: bool, by: User) -> str:
    """Let new sandboxes be placed there, or not; what runs goes on."""
    changed = Cluster.objects.filter(pk=cluster.pk, open=not is_open).update(open=is_open)
    if not changed:
        return f"{cluster.name} was {'open' if is_open else 'closed'} already; nothing was changed."
    logger.info("console.cluster", extra={"cluster": cluster.name, "open": is_open, "by": by.pk})
    if is_open:
        return f"{cluster.name} takes new sandboxes again."
    return f"{cluster.name} takes no new sandboxes from now on. What runs there goes on."


def set_starts_at_once(cluster: Cluster, *, starts: int, by: User) -> str:
    """How many may start there at the same time; 0 leaves it to the number of cores."""
    if not 0 <= starts <= MOST_AT_ONCE:
        raise NotPossibleNow(f"Give a number from 0 to {MOST_AT_ONCE}; 0 leaves it to the number of cores.")
    Cluster.objects.filter(pk=cluster.pk).update(starts_at_once=starts)
    logger.info("console.cluster", extra={"cluster": cluster.name, "starts_at_once": starts, "by": by.pk})
    return f"{cluster.name} starts {starts or 'as many as it has cores, less one,'} at once from now on."


def reserve(cluster: Cluster, *, profile: str, count: int, minutes: int, reason: str, by: User) -> str:
    """Ask for warm sandboxes for a class that is about to begin."""
    if not 1 <= count <= MOST_RESERVED or not 1 <= minutes <= LONGEST_RESERVED_MIN:
        raise NotPossibleNow(f"Reserve from 1 to {MOST_RESERVED} sandboxes, for at most a day.")
    until = timezone.now() + timedelta(minutes=minutes)
    made = services.reserve_pool(cluster, profile=profile, count=count, until=until, reason=reason, by=by)
    logger.info("console.reserved", extra={"cluster": cluster.name, "count": made.count, "by": by.pk})
    kept = f"{made.count} {made.profile} are kept warm on {cluster.name}"
    return f"{kept} until {made.until:%H:%M} UTC, as far as there is room."


def release(reservation: PoolReservation, *, by: User) -> str:
    """Give up what is left of a reservation; the row stays, as a note of what was asked."""
    now = timezone.now()
    if not PoolReservation.objects.filter(pk=reservation.pk, until__gt=now).update(until=now):
        return "That reservation had ended already; nothing was changed."
    logger.info("console.released", extra={"reservation": reservation.pk, "by": by.pk})
    left = words.lasting((reservation.until - now).total_seconds())
    return f"The reservation of {reservation.count} {reservation.profile} is given up, {left} early."
