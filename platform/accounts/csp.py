"""What a page of ours may load, as a Content-Security-Policy, and the one exception to it.

Nothing comes from another origin, no script is inline or evaluated, and HTML written by a script passes one
Trusted Types policy (static/js/pages/shell.js). A websocket to our own host is covered by connect-src 'self'
(CSP level 3).
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_update

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
    }
}


def editor_page(view: View) -> View:
    """Let scripts of this page set styles: the code editor and the terminal measure text that way."""
    return cast(View, csp_update({"style-src": UNSAFE_INLINE})(view))
