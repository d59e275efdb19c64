"""May this user watch this sandbox? The one question to the database per connection, view change and look."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from accounts.models import User
from accounts.selectors import may_see
from sandboxes.models import Sandbox

SIGNED_OUT = 4401
FORBIDDEN = 4403
NO_SUCH_SANDBOX = 4404


@dataclass(frozen=True, slots=True)
class Refusal:
    """code: what to close the socket with (RFC 6455 section 7.4.2 leaves 4000-4999 to us)."""

    code: int


def refusal(user_id: int | None, sandbox_id: UUID) -> Refusal | None:
    """None when the user may watch: the owner, and whoever may see the owner's work. Synchronous; asks the
    database.
    """
    user = User.objects.filter(pk=user_id, is_active=True).first() if user_id else None
    if user is None:
        return Refusal(SIGNED_OUT)
    sandbox = Sandbox.objects.select_related("owner").filter(pk=sandbox_id).first()
    if sandbox is None:
        return Refusal(NO_SUCH_SANDBOX)
    is_allowed = sandbox.owner is not None and may_see(user, sandbox.owner)
    return None if is_allowed else Refusal(FORBIDDEN)
