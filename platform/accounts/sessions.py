"""Whose session is this now? A websocket outlives the request that opened it, so it has to ask again.

Four things end a session: signing out (or the cookie's age), a changed password, another role, an account
that was closed.
"""

from collections.abc import Iterable

from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts.models import User


def users_of(session_keys: Iterable[str]) -> dict[str, User]:
    """Session key -> its user as the database has them now, without ended sessions. Two queries for all."""
    alive = Session.objects.filter(session_key__in=set(session_keys), expire_date__gt=timezone.now())
    held = {session.session_key: session.get_decoded() for session in alive}
    users = User.objects.filter(is_active=True).in_bulk({_user_id(data) for data in held.values()})
    return {
        key: users[_user_id(data)]
        for key, data in held.items()
        if _user_id(data) in users and _is_of(data, users[_user_id(data)])
    }


def _user_id(data: dict[str, str]) -> int:
    return int(data.get(SESSION_KEY, 0))


def _is_of(data: dict[str, str], user: User) -> bool:
    """A changed password or role ends every session that was opened before."""
    given = str(data.get(HASH_SESSION_KEY, ""))
    return BACKEND_SESSION_KEY in data and constant_time_compare(given, user.get_session_auth_hash())
