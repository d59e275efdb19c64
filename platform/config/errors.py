"""The pages for what went wrong: one sentence, what to do next, and a reference that finds the log line."""

import logging
import sys
from typing import Any

from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from accounts import throttle
from config import tracing

logger = logging.getLogger(__name__)


def no_such_page(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """404, with the address as it was asked for."""
    return render(request, "404.html", {"path": request.path[:200]}, status=404)


def not_yours(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """403, with the reason where the code that refused gave one."""
    return render(request, "403.html", {"reason": str(exception or "")}, status=403)


def form_refused(request: HttpRequest, reason: str = "") -> HttpResponse:
    """403 for a form without its token: open too long, or sent from another site. Nothing was changed."""
    logger.info("csrf.refused", extra={"route": tracing.route_of(request), "reason": reason})
    return render(request, "403.html", {"form_refused": True}, status=403)


def too_many_requests(request: HttpRequest, exception: Exception | None = None) -> HttpResponse:
    """429 with Retry-After, for whoever asked the sign-in pages too often."""
    wait = max((throttle.wait_s(request, action) for action in _THROTTLED), default=0) or 60
    response = render(request, "429.html", {"wait": throttle.in_words(wait)}, status=429)
    response["Retry-After"] = str(wait)
    return response


_THROTTLED = ("login", "signup", "reset_password", "reset_password_from_key", "change_password")


def broken(request: HttpRequest) -> HttpResponse:
    """500, or 503 while the database is away. The page needs neither it nor a session."""
    reference = tracing.current()
    away = isinstance(sys.exc_info()[1], OperationalError | InterfaceError)
    # Django calls this while it handles the exception, so the traceback is at hand.
    fields = {"route": tracing.route_of(request), "request": reference}
    logger.error("page.failed", exc_info=sys.exc_info(), extra=fields)
    status, headers = (503, {"Retry-After": str(_AWAY_S)}) if away else (500, {})
    context = {"reference": reference, "theme": request.COOKIES.get("theme"), "code": status}
    # What was asked for can be asked for again; what was sent must not be by a press on a link.
    context |= {"away": away, "asked": request.method == "GET"}
    return HttpResponse(_broken_page(context), status=status, headers=headers)


# A database is asked again with every request; whoever waits so long usually finds it back.
_AWAY_S = 10


def _broken_page(context: dict[str, Any]) -> str:
    try:
        return render_to_string("500.html", context)
    except Exception:
        logger.exception("page.failed.twice")
        return f"Something of ours broke. It is noted under the reference {context['reference']}."
