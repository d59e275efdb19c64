"""The live picture over plain HTTP, for networks that do not let websockets through."""

from django.urls import path

from live import views

app_name = "live"

urlpatterns = [
    path("<uuid:sandbox_id>/events/", views.events, name="events"),
    path("<uuid:sandbox_id>/poll/", views.poll, name="poll"),
    path("<uuid:sandbox_id>/ops/", views.op, name="ops"),
]
