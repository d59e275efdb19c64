"""Who may enter the console: admins. For everybody else there is no such page."""

import functools
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.cache import patch_cache_control, patch_vary_headers

from accounts.models import User
from sandboxes.access import P, View, signed_in


def admin_of(request: HttpRequest) -> User:
    """The signed-in admin; only for views behind `admins_only`."""
    return cast("User", request.user)


def admins_only(view: View[P]) -> View[P]:
    """Let admins in; whoever is signed out signs in first, everybody else finds nothing here."""

    @signed_in
    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if not admin_of(request).is_admin:
            raise Http404
        response = view(request, *args, **kwargs)
        # The same address gives a page or a part of it, and neither may come back from a cache.
        patch_vary_headers(response, ["HX-Request"])
        patch_cache_control(response, no_store=True)
        return response

    return guarded


def proven(view: Any) -> Any:
    """Ask for the password again unless that was done in the last five minutes: for what destroys."""
    return reauthentication_required(view)
