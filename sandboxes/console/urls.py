"""Addresses under /console/, for admins only; anybody else finds nothing there."""

from django.urls import path

from sandboxes.console import views

app_name = "console"

urlpatterns = [
    path("", views.home, name="home"),
    path("sandboxes/", views.sandboxes, name="sandboxes"),
    path("clusters/", views.clusters, name="clusters"),
    path("clusters/<int:cluster_id>/", views.cluster, name="cluster"),
    path("clusters/<int:cluster_id>/<slug:what>/", views.cluster_act, name="cluster_act"),
    path("reservations/<int:reservation_id>/release/", views.release, name="release"),
    path("sandboxes/<uuid:sandbox_id>/", views.sandbox, name="sandbox"),
    path("sandboxes/<uuid:sandbox_id>/seen/", views.sandbox_seen, name="seen"),
    path("sandboxes/<uuid:sandbox_id>/<slug:name>/", views.act, name="act"),
]
