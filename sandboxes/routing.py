"""The websockets of the workspace and of the staff's pages.

Typed loosely, since path() knows of no ASGI applications.
"""

from typing import Any

from django.urls import path

from sandboxes.overview import OverviewConsumer
from sandboxes.workspace.consumer import WorkspaceConsumer

_workspace: Any = WorkspaceConsumer.as_asgi()
_overview: Any = OverviewConsumer.as_asgi()

websocket_urlpatterns = [
    path("ws/workspace/<uuid:sandbox_id>/", _workspace, name="workspace"),
    path("ws/overview/", _overview, name="overview"),
]
