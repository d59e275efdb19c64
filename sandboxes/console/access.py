"""Who may enter the console: admins. For everybody else there is no such page."""

from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.http import HttpRequest

from accounts.models import User
from sandboxes.access import only_for

admins_only = only_for(lambda user: user.is_admin)


def admin_of(request: HttpRequest) -> User:
    """The signed-in admin; only for views behind `admins_only`."""
    return cast("User", request.user)


def proven(view: Any) -> Any:
    """Ask for the password again unless that was done in the last five minutes: for what destroys."""
    return reauthentication_required(view)
