"""Sessions in the database, as Django keeps them, read by a query that is made once."""

from typing import Any

from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.contrib.sessions.models import Session
from django.utils import timezone

from accounts.prepared import Prepared

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
