"""The site's two protocols: HTTP goes to Django, websockets to the apps' consumers."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter

from config.origins import SameOriginOnly
from live.routing import websocket_urlpatterns as live_sockets
from sandboxes.routing import websocket_urlpatterns as sandbox_sockets

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": SameOriginOnly(AuthMiddlewareStack(URLRouter([*live_sockets, *sandbox_sockets]))),
    }
)
