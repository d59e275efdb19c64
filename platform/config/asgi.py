"""The site's two protocols: HTTP goes to Django, websockets to the apps' consumers."""

import gc
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

# First of all: consumers import models, and models need the apps that this loads.
django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import WebsocketDenier  # noqa: E402
from django.urls import URLPattern, re_path  # noqa: E402

from config.handler import SiteHandler  # noqa: E402
from config.origins import SameOriginOnly  # noqa: E402
from config.static import StaticFirst  # noqa: E402
from config.tracing import TracedSocket  # noqa: E402
from live.routing import websocket_urlpatterns as live_sockets  # noqa: E402
from sandboxes.routing import websocket_urlpatterns as sandbox_sockets  # noqa: E402


def signed_in(route: Any) -> Any:
    """The same address, with the session and the user in the scope. The live sockets look for themselves:
    for a thousand at once, and without a wrapper around each of their sends.
    """
    return URLPattern(route.pattern, AuthMiddlewareStack(route.callback), name=route.name)


# Without it a socket at a made-up address would be an exception: an error line for whoever cares to make one.
nowhere: Any = re_path("", WebsocketDenier.as_asgi())  # type: ignore[arg-type]  # as channels' own routes are

application = ProtocolTypeRouter(
    {
        "http": StaticFirst(SiteHandler()),
        "websocket": TracedSocket(
            SameOriginOnly(URLRouter([*live_sockets, *map(signed_in, sandbox_sockets), nowhere]))
        ),
    }
)

# What is loaded by now stays for good. A collector that looks at all of it again and again, whenever a few
# hundred small things were made, takes a fifth of what it costs to tell a thousand tabs something.
gc.collect()
gc.freeze()
gc.set_threshold(20_000, 20, 20)
