"""The exclusive right to work on one sandbox's row, held for ten seconds at a time.

Leases are told by the database's own clock, so a worker whose clock jumps neither steals nor overstays.
Each lease has a fencing token one higher than any before; a write that carries an older one changes nothing,
so a worker that slept through its lease cannot undo what came after. A step renews between its calls to the
backend; one that hangs inside a call loses its lease, on purpose.
"""

import os
import socket
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from django.db import models, transaction
from django.db.models import ExpressionWrapper, F, Q
from django.db.models.expressions import Combinable
from django.db.models.functions import Now

from sandboxes.errors import LeaseLost
from sandboxes.models import Sandbox

LEASE_S = 10.0
RENEW_S = 3.0


@dataclass(slots=True, kw_only=True)
class Lease:
    """A lease that this worker took; `renewed` is on this process's monotonic clock."""

    sandbox_id: UUID
    token: int
    renewed: float = field(default_factory=time.monotonic)


def _ahead(seconds: float) -> Combinable:
    return ExpressionWrapper(Now() + timedelta(seconds=seconds), output_field=models.DateTimeField())


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}:{threading.get_ident() & 0xFFFFFF:x}"[-80:]


def take(sandbox_id: UUID) -> Lease | None:
    """A new lease, or None while somebody else holds one (or there is no such sandbox).

    One that would last longer than a lease may was given before the database's clock went back.
    """
    free = Q(lease_until=None) | Q(lease_until__lte=Now()) | Q(lease_until__gt=_ahead(2 * LEASE_S))
    with transaction.atomic():
        taken = Sandbox.objects.filter(free, pk=sandbox_id).update(
            lease_until=_ahead(LEASE_S), lease_token=F("lease_token") + 1, lease_holder=_holder()
        )
        if not taken:
            return None
        token = Sandbox.objects.values_list("lease_token", flat=True).get(pk=sandbox_id)
    return Lease(sandbox_id=sandbox_id, token=token)


def renew(lease: Lease, *, for_s: float = LEASE_S - RENEW_S) -> None:
    """Hold on for another ten seconds unless `for_s` are left; LeaseLost when a later lease was given."""
    if LEASE_S - (time.monotonic() - lease.renewed) > for_s:
        return
    renewed = time.monotonic()
    if not _held(lease).update(lease_until=_ahead(LEASE_S)):
        raise LeaseLost("Another worker looks after this sandbox now.")
    lease.renewed = renewed


def release(lease: Lease) -> None:
    """Give the lease back; nothing happens when it is no longer ours."""
    _held(lease).update(lease_until=None)


def _held(lease: Lease) -> models.QuerySet[Sandbox]:
    return Sandbox.objects.filter(pk=lease.sandbox_id, lease_token=lease.token)
