"""Sessions in the database, as Django keeps them, read by a query that is made once."""

from collections import Counter
from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.prepared import Prepared

# Rows removed in one transaction.
SLICE = 500

_kept = Prepared(
    str, query=lambda key: Session.objects.filter(pk=key).values_list("session_data", "expire_date")
)


class SessionStore(DatabaseStore):
    """Must keep this name: sessions are signed with it."""

    def load(self) -> dict[str, Any]:
        for data, expires in _kept.rows(self.session_key or ""):
            if expires > timezone.now():
                found: dict[str, Any] = self.decode(data)
                return found
        self._session_key = None
        return {}


def ended_sessions() -> Counter[str]:
    """Remove some sessions whose time is over, which let nobody in any more; how many, nothing for none."""
    over = Session.objects.filter(expire_date__lt=timezone.now()).order_by("expire_date")
    found = list(over.values_list("pk", flat=True)[:SLICE])
    # Asked again: somebody may have prolonged one meanwhile.
    removed, _ = Session.objects.filter(pk__in=found, expire_date__lt=timezone.now()).delete()
    return Counter(sessions=removed) if removed else Counter()
