"""The site's two protocols: HTTP goes to Django, websockets to the apps' consumers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

import django

# First of all: consumers import models, and models need the apps that this loads.
django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402

from config.handler import SiteHandler  # noqa: E402
from config.origins import SameOriginOnly  # noqa: E402
from config.static import StaticFirst  # noqa: E402
from live.routing import websocket_urlpatterns as live_sockets  # noqa: E402
from sandboxes.routing import websocket_urlpatterns as sandbox_sockets  # noqa: E402

application = ProtocolTypeRouter(
    {
        "http": StaticFirst(SiteHandler()),
        "websocket": SameOriginOnly(AuthMiddlewareStack(URLRouter([*live_sockets, *sandbox_sockets]))),
    }
)
