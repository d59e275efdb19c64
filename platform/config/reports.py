"""Where browsers tell what the Content-Security-Policy kept out of a page of ours.

Anybody may post here, so nothing is believed: a report becomes one bounded line with the directive and the
page's route, and never an address, a query or a sample, which may hold what belongs to a person. A page of
ours that breaks its own policy is a mistake of ours or an attack, hence a warning.
"""

import json
import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from accounts.csp import POLICY
from sandboxes import limits
from sandboxes.access import address_of
from sandboxes.limits import Limit

logger = logging.getLogger(__name__)

# A report is about one kilobyte; some browsers send several at once.
LARGEST_BYTES = 16 * 1024
AT_ONCE = 5
PER_ADDRESS = 20
# For the whole site: a page that breaks its policy for everybody needs no thousand lines.
LIMIT = Limit(name="csp-report", what="send reports", times=60, window_s=60)

_DIRECTIVES = frozenset(POLICY["DIRECTIVES"]) | {
    f"{kind}-src-{what}" for kind in ("script", "style") for what in ("elem", "attr")
}
# What add-ons put into pages is blocked as well, and says nothing about us.
_OF_ADD_ONS = ("chrome-extension", "moz-extension", "safari-extension", "safari-web-extension")


@csrf_exempt
@require_POST
def reports(request: HttpRequest) -> HttpResponse:
    """204 whatever it says; 413 for what is too large, 429 when there were enough."""
    body = request.read(LARGEST_BYTES + 1)
    if len(body) > LARGEST_BYTES:
        return HttpResponse("That is too large for a report.\n", content_type="text/plain", status=413)
    address = address_of(request)
    if wait_s := limits.used_up(LIMIT, f"at:{address}", PER_ADDRESS) or limits.used_up(
        LIMIT, "", LIMIT.times
    ):
        sentence = f"Enough reports for now. Send the next one in {wait_s} s.\n"
        headers = {"Retry-After": str(wait_s)}
        return HttpResponse(sentence, content_type="text/plain", status=429, headers=headers)
    for directive, route in set(list(_violations(body))[:AT_ONCE]):
        logger.warning("csp.violated", extra={"directive": directive, "route": route})
    return HttpResponse(status=204)


def _violations(body: bytes) -> Iterator[tuple[str, str]]:
    """Directive and route of each report in either of the two forms there are; nothing of what is neither."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return
    for report in told if isinstance(told, list) else [told]:
        inner = report.get("body", report.get("csp-report")) if isinstance(report, dict) else None
        if isinstance(inner, dict) and not _is_of_add_on(inner):
            yield _directive(inner), _route(inner)


def _is_of_add_on(report: dict[str, Any]) -> bool:
    told = (report.get(name) for name in ("blockedURL", "blocked-uri", "sourceFile", "source-file"))
    return any(str(one).startswith(_OF_ADD_ONS) for one in told)


def _directive(report: dict[str, Any]) -> str:
    """One that we know: a made-up one would be somebody's words in our log."""
    told = (
        report.get("effectiveDirective")
        or report.get("effective-directive")
        or report.get("violated-directive")
    )
    name = str(told).split(" ", 1)[0]
    return name if name in _DIRECTIVES else "other"


def _route(report: dict[str, Any]) -> str:
    """The page's route, as in the access log: a path may hold a name, or the key of a password mail."""
    told = str(report.get("documentURL") or report.get("document-uri") or "")
    try:
        return str(resolve(urlsplit(told).path).route) or "/"
    except (Resolver404, ValueError):
        return "(none)"
