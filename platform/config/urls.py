"""Every address of the site; each is a row in the permission matrix (tests/security/permissions.py)."""

from django.urls import include, path

from config.health import health

urlpatterns = [
    path("accounts/", include("allauth.urls")),
    path("", include("accounts.urls")),
    path("sandbox/", include("sandboxes.urls")),
    path("healthz/", health, name="health"),
    path("", include("lessons.urls")),
]
