"""May the user of this session watch this sandbox? Asked when a tab comes, changes its view, and every few
seconds; for many tabs at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import parse_cookie

from accounts.models import User
from accounts.selectors import visible_users
from accounts.sessions import users_of
from accounts.sockets import FORBIDDEN, NO_SUCH, SIGNED_OUT
from sandboxes.models import Sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Whose tab it is, by session, and what it watches."""

    session_key: str
    sandbox_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """code: 0 when they may watch, else what to close with; user_id: 0 when nobody is signed in."""

    code: int
    user_id: int = 0


def session_key(scope: Mapping[str, Any]) -> str:
    """The session a handshake's cookie names; "" when it names none."""
    cookies = dict(scope["headers"]).get(b"cookie", b"").decode("latin-1")
    return str(parse_cookie(cookies).get(settings.SESSION_COOKIE_NAME, ""))


def judge(askers: Iterable[Asker]) -> dict[Asker, Answer]:
    """An answer for each. Three queries for all; one more for each person who watches what is another's."""
    askers = set(askers)
    users = users_of(asker.session_key for asker in askers)
    rows = Sandbox.objects.filter(pk__in={asker.sandbox_id for asker in askers})
    owners = dict(rows.values_list("pk", "owner_id"))
    strangers = _strangers(askers, users, owners)
    return {asker: _answer(asker, users.get(asker.session_key), owners, strangers) for asker in askers}


def _strangers(
    askers: Collection[Asker], users: Mapping[str, User], owners: Mapping[UUID, int | None]
) -> set[tuple[int, int]]:
    """Pairs of user and owner in which the one may not see what is the other's."""
    pairs = {
        (user.pk, owner): user
        for asker in askers
        if (user := users.get(asker.session_key)) and (owner := owners.get(asker.sandbox_id))
    }
    others = {user.pk: user for (pk, owner), user in pairs.items() if pk != owner}
    seen = {
        (pk, shown)
        for pk, user in others.items()
        for shown in visible_users(user)
        .filter(pk__in={owner for one, owner in pairs if one == pk})
        .values_list("pk", flat=True)
    }
    return {(pk, owner) for pk, owner in pairs if pk != owner} - seen


def _answer(
    asker: Asker, user: User | None, owners: Mapping[UUID, int | None], strangers: set[tuple[int, int]]
) -> Answer:
    if user is None:
        return Answer(code=SIGNED_OUT)
    if asker.sandbox_id not in owners:
        return Answer(code=NO_SUCH, user_id=user.pk)
    owner = owners[asker.sandbox_id]
    is_refused = owner is None or (user.pk, owner) in strangers
    return Answer(code=FORBIDDEN if is_refused else 0, user_id=user.pk)
