"""The live websocket's address; typed loosely, since path() knows of no ASGI applications."""

from typing import Any

from django.urls import path

from live.consumers import LiveConsumer

_live: Any = LiveConsumer.as_asgi()

websocket_urlpatterns = [path("ws/live/<uuid:sandbox_id>/", _live, name="live")]
