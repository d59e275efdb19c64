"""Which pages may open a websocket here: only our own.

A browser sends cookies with a cross-site websocket handshake and no preflight, so the Origin header is the
only thing that tells our page from a hostile one (RFC 6455 section 10.2). Channels' own validator lets a
missing Origin through when "*" is allowed and knows nothing of ports; this one refuses both.
"""

from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier

Scope = dict[str, Any]


def same_origin(scope: Scope) -> bool:
    """True when Origin names the very host and port that the handshake was sent to."""
    headers = dict(scope.get("headers", []))
    origin = headers.get(b"origin", b"").decode("latin-1")
    host = headers.get(b"host", b"").decode("latin-1")
    parts = urlsplit(origin)
    return parts.scheme in {"http", "https"} and bool(host) and parts.netloc.lower() == host.lower()


def allowed_host(scope: Scope) -> bool:
    """True when the Host header is one of ALLOWED_HOSTS; Django checks that for HTTP only."""
    from django.conf import settings
    from django.http.request import split_domain_port, validate_host

    host = dict(scope.get("headers", [])).get(b"host", b"").decode("latin-1")
    return validate_host(split_domain_port(host)[0], settings.ALLOWED_HOSTS)


class SameOriginOnly:
    """ASGI wrapper that denies a websocket whose Origin is not this site's own address."""

    def __init__(self, application: Any) -> None:
        self.application = application

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> Any:
        if same_origin(scope) and allowed_host(scope):
            return await self.application(scope, receive, send)
        denier: Any = WebsocketDenier()
        return await denier(scope, receive, send)
