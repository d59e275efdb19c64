"""The websocket of the workspace; typed loosely, since path() knows of no ASGI applications."""

from typing import Any

from django.urls import path

from sandboxes.workspace.consumer import WorkspaceConsumer

_workspace: Any = WorkspaceConsumer.as_asgi()

websocket_urlpatterns = [
    path("ws/workspace/<uuid:sandbox_id>/", _workspace, name="workspace"),
]
