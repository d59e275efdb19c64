"""Response headers that neither Django nor django-csp sets."""

from wsgiref.headers import Headers

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

# A lesson needs none of what a browser can lend a page.
_LENT = ("camera", "microphone", "geolocation", "payment", "usb", "serial", "midi", "display-capture")
_PERMISSIONS = ", ".join(f"{feature}=()" for feature in _LENT)


@sync_and_async_middleware
def our_headers(get_response):  # type: ignore[no-untyped-def]  # either of two shapes, told apart below
    """Lend no device, embed nowhere, and let nobody keep what a signed-in person sees."""
    if iscoroutinefunction(get_response):

        async def answer_async(request: HttpRequest) -> HttpResponseBase:
            return _with_ours(request, await get_response(request))

        return answer_async

    def answer(request: HttpRequest) -> HttpResponseBase:
        return _with_ours(request, get_response(request))

    return answer


def _with_ours(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    response.headers.setdefault("Permissions-Policy", _PERMISSIONS)
    response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
    if "Cookie" in response.headers.get("Vary", ""):
        response.headers.setdefault("Cache-Control", "private, " + _keeping(request))
    return response


def _keeping(request: HttpRequest) -> str:
    """After signing out, Back on a shared machine must show nothing; a stranger's page may come back."""
    return "no-store" if settings.SESSION_COOKIE_NAME in request.COOKIES else "no-cache"


def file_headers(headers: Headers, path: str, url: str) -> None:
    """The same for static files, which are sent before any of Django's middleware."""
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    # Opened by itself, a drawing runs nothing.
    headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
