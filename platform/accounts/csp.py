"""What a page of ours may load, as a Content-Security-Policy, and the one exception to it.

Nothing comes from another origin, no script is inline or evaluated, and HTML written by a script passes one
Trusted Types policy (static/js/pages/shell.js). A websocket to our own host is covered by connect-src 'self'
(CSP level 3).
"""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar, cast

from csp.constants import HEADER, NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_update
from csp.utils import build_policy
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

# Where browsers tell of what the policy kept out: config.reports.
REPORTS = "/csp-report/"

View = TypeVar("View", bound=Callable[..., Any])

POLICY: dict[str, Any] = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["default"],
        # Its successor report-to is unknown to some browsers, is heard only over TLS by the others, and where
        # both stand Chromium ignores this one: then nothing would be reported over plain HTTP.
        "report-uri": [REPORTS],
    }
}


_FOR_EDITOR = {"style-src": UNSAFE_INLINE}


def editor_page(view: View) -> View:
    """Let scripts of this page set styles: the code editor and the terminal measure text that way."""
    return cast(View, csp_update(_FOR_EDITOR)(view))


@cache
def _in_words(*, with_editor: bool) -> str:
    """The header's value; django-csp would put it together anew for each answer."""
    return build_policy(update=_FOR_EDITOR if with_editor else None)


class PolicyMiddleware(MiddlewareMixin):
    """Sends the policy with every answer."""

    def process_response(self, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
        with_editor = getattr(response, "_csp_update", None) is not None
        response.headers.setdefault(HEADER, _in_words(with_editor=with_editor))
        return response
