"""What an admin may ask of a cluster. Each is written down with who asked, in the same transaction."""

import logging
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from sandboxes import placement, pool, services
from sandboxes.console import words
from sandboxes.errors import NotPossibleNow
from sandboxes.models import Cluster, ClusterEvent, PoolReservation

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 64
MOST_RESERVED = 500
LONGEST_RESERVED_MIN = 24 * 60


@transaction.atomic
def set_open(cluster: Cluster, *, is_open: bool, by: User) -> str:
    """Let new sandboxes be placed there, or not; what runs goes on."""
    changed = Cluster.objects.filter(pk=cluster.pk, open=not is_open).update(open=is_open)
    if not changed:
        return f"{cluster.name} was {'open' if is_open else 'closed'} already; nothing was changed."
    _note(
        cluster, "open" if is_open else "close", f"{'Opened' if is_open else 'Closed'} to new sandboxes", by
    )
    if is_open:
        return f"{cluster.name} takes new sandboxes again."
    done = f"{cluster.name} takes no new sandboxes from now on. What runs there goes on."
    if placement.is_closed():
        return f"{done} No cluster is open now: whoever presses Start is told so."
    return done


@transaction.atomic
def set_starts_at_once(cluster: Cluster, *, starts: int, by: User) -> str:
    """How many may start there at the same time; 0 leaves it to the cores, and what they allow is named."""
    if not 0 <= starts <= MOST_AT_ONCE:
        raise NotPossibleNow(f"Give a number from 0 to {MOST_AT_ONCE}; 0 leaves it to the cores.")
    Cluster.objects.filter(pk=cluster.pk).update(starts_at_once=starts)
    cluster.starts_at_once = starts
    many = f"{placement.starts_at_once(cluster)} at once"
    if starts:
        _note(cluster, "starts", f"Starts {many}", by)
        return f"{cluster.name} starts {many} from now on."
    _note(cluster, "starts", f"Leaves to the cores how many start: {many}", by)
    return f"{cluster.name} leaves it to the cores from now on: {many}."


@transaction.atomic
def reserve(cluster: Cluster, *, profile: str, count: int, minutes: int, reason: str, by: User) -> str:
    """Ask for warm sandboxes for a class that is about to begin."""
    if not 1 <= count <= MOST_RESERVED or not 1 <= minutes <= LONGEST_RESERVED_MIN:
        raise NotPossibleNow(f"Reserve from 1 to {MOST_RESERVED} sandboxes, for at most a day.")
    ends = timezone.now() + timedelta(minutes=minutes)
    made = services.reserve_pool(cluster, profile=profile, count=count, until=ends, reason=reason, by=by)
    until = f"until {made.until:%H:%M} UTC"
    why = f": {made.reason}" if made.reason else ""
    _note(cluster, "reserve", f"Reserved {made.count} {made.profile} {until}{why}", by)
    return f"{made.count} {made.profile} are kept warm on {cluster.name} {until}, as far as there is room."


@transaction.atomic
def release(reservation: PoolReservation, *, by: User) -> str:
    """Give up what is left of a reservation; the row stays, as a note of what was asked for."""
    now = timezone.now()
    left = pool.left_of_reservations(reservation.cluster, reservation.profile, now).get(reservation.pk, 0)
    if not PoolReservation.objects.filter(pk=reservation.pk, until__gt=now).update(until=now):
        return "That reservation had ended already; nothing was changed."
    early = words.lasting((reservation.until - now).total_seconds())
    kept = "" if left == reservation.count else f"{left} of "
    what = f"{kept}{reservation.count} {reservation.profile}"
    _note(reservation.cluster, "release", f"Gave up {what}, {early} early", by)
    return f"The reservation of {what} is given up, {early} early."


def _note(cluster: Cluster, what: str, said: str, by: User) -> None:
    ClusterEvent.objects.create(cluster=cluster, what=what, said=said[:300], by=by)
    logger.info("console.cluster", extra={"cluster": cluster.name, "act": what, "said": said, "by": by.pk})
