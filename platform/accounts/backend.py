"""Who a session belongs to: django-allauth's backend, with a query that is made once."""

from allauth.account.auth_backends import AuthenticationBackend
from django.db import DEFAULT_DB_ALIAS

from accounts.models import User
from accounts.prepared import Prepared

_FIELDS = [field.attname for field in User._meta.concrete_fields]  # noqa: SLF001 - documented as public
_by_id = Prepared(int, query=lambda pk: User.objects.filter(pk=pk).values_list(*_FIELDS))


class Backend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    def get_user(self, user_id: int) -> User | None:
        """The user as they are now; None when the account is gone or closed."""
        rows = _by_id.rows(int(user_id))
        user = User.from_db(DEFAULT_DB_ALIAS, _FIELDS, rows[0]) if rows else None
        return user if user is not None and self.user_can_authenticate(user) else None
