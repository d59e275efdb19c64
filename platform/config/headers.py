"""Response headers that neither Django nor django-csp sets."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

Answer = Callable[[HttpRequest], HttpResponse]

# A lesson needs none of what a browser can lend a page; full screen for the board is its own document.
_LENT = ("camera", "microphone", "geolocation", "payment", "usb", "serial", "midi", "display-capture")
_PERMISSIONS = ", ".join(f"{feature}=()" for feature in _LENT)


def our_headers(get_response: Answer) -> Answer:
    """Lend no device, embed nowhere, and keep what a signed-in person sees out of shared caches."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.setdefault("Permissions-Policy", _PERMISSIONS)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if "Cookie" in response.get("Vary", ""):
            response.setdefault("Cache-Control", "private, no-cache")
        return response

    return answer
