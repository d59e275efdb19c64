"""Every address of the site; each is a row in the permission matrix (tests/security/permissions.py)."""

from django.urls import include, path

from config.health import health, ready
from config.reports import reports
from config.scrape import metrics

urlpatterns = [
    path("accounts/", include("accounts.urls")),
    path("sandbox/", include("sandboxes.urls")),
    path("console/", include("sandboxes.console.urls")),
    path("live/", include("live.urls")),
    path("class/", include("classroom.urls")),
    path("healthz/", health, name="health"),
    path("readyz/", ready, name="ready"),
    path("metrics", metrics, name="metrics"),
    path("csp-report/", reports, name="csp-report"),
    path("", include("lessons.urls")),
]

handler403 = "config.errors.not_yours"
handler404 = "config.errors.no_such_page"
handler429 = "config.errors.too_many_requests"
handler500 = "config.errors.broken"
