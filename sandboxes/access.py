"""Who may touch a sandbox over HTTP: its owner, signed in, not too often. Refusals are sentences."""

import functools
from collections.abc import Callable
from typing import Concatenate, ParamSpec, cast
from urllib.parse import urlencode, urlsplit, urlunsplit

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, resolve_url
from django.utils.cache import patch_cache_control, patch_vary_headers

from accounts.models import User
from sandboxes import selectors
from sandboxes.backends.base import BackendError
from sandboxes.errors import NotPossibleNow, NotReady, SandboxError, TooOften
from sandboxes.limits import Limit, spend
from sandboxes.models import Sandbox

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]


def student_of(request: HttpRequest) -> User:
    """The signed-in user; only for views behind `signed_in`."""
    return cast("User", request.user)


def address_of(request: HttpRequest) -> str:
    """Where it was asked from, as the web server knows it."""
    return str(request.META.get("REMOTE_ADDR", ""))


def sandbox_of(request: HttpRequest) -> Sandbox:
    """The user's own live sandbox; NotReady when they have none."""
    sandbox = selectors.live_sandbox(student_of(request))
    if sandbox is None:
        raise NotReady("You have no sandbox yet. Press Start.")
    return sandbox


def signed_in(view: View[P]) -> View[P]:
    """Send a stranger to sign in and back: by redirect, by htmx's header, or as JSON with a sentence."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        if wants_json(request):
            return refusal("You are signed out. Sign in and try again.", status=401)
        if request.headers.get("HX-Request"):
            return HttpResponse(status=401, headers={"HX-Redirect": _sign_in(_page_of(request))})
        return redirect(_sign_in(request.get_full_path() if request.method in ("GET", "HEAD") else ""))

    return guarded


def only_for(is_welcome: Callable[[User], bool]) -> Callable[[View[P]], View[P]]:
    """Let some in; whoever is signed out signs in first, and for everybody else there is no such page."""

    def wrap(view: View[P]) -> View[P]:
        @signed_in
        @functools.wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if not is_welcome(student_of(request)):
                raise Http404
            response = view(request, *args, **kwargs)
            # The same address gives a page or a part of it, and neither may come back from a cache.
            patch_vary_headers(response, ["HX-Request"])
            patch_cache_control(response, no_store=True)
            return response

        return guarded

    return wrap


def _sign_in(back: str) -> str:
    """The sign-in page, from which one comes to `back`."""
    address = resolve_url(settings.LOGIN_URL)
    return f"{address}?{urlencode({'next': back})}" if back else address


def _page_of(request: HttpRequest) -> str:
    """The page that htmx asks from, if it is one of ours: what it asks for may be a part, or take no GET."""
    page = urlsplit(request.headers.get("HX-Current-URL", ""))
    return urlunsplit(("", "", page.path, page.query, "")) if page.netloc == request.get_host() else ""


def limited(limit: Limit) -> Callable[[View[P]], View[P]]:
    """Let a user through so many times per window; beyond it, 429 with Retry-After and a sentence."""

    def wrap(view: View[P]) -> View[P]:
        @functools.wraps(view)
        def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            try:
                spend(limit, student_of(request).pk, address=address_of(request))
            except TooOften as error:
                return refusal(error.sentence, status=429, headers={"Retry-After": str(error.retry_after_s)})
            return view(request, *args, **kwargs)

        return guarded

    return wrap


def answering(view: View[P]) -> View[P]:
    """Turn what goes wrong into JSON: one sentence, never a stack trace."""

    @functools.wraps(view)
    def guarded(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except (NotReady, NotPossibleNow) as error:
            return refusal(error.sentence, status=409)
        except (SandboxError, BackendError) as error:
            return refusal(error.sentence, status=503)

    return guarded


def wants_json(request: HttpRequest) -> bool:
    """True for the addresses that scripts of the page call."""
    return "/files/" in request.path or "/faults/" in request.path


def refusal(
    sentence: str, *, status: int, headers: dict[str, str] | None = None, **more: object
) -> JsonResponse:
    """A refusal as JSON: what is wrong and what to do, in one sentence."""
    return JsonResponse({"sentence": sentence, **more}, status=status, headers=headers)
