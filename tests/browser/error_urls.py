"""The site with a few addresses more, each of which goes wrong in its own way."""

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path

from config import errors
from config.urls import handler403, handler404, handler429, handler500
from config.urls import urlpatterns as theirs

__all__ = ["handler403", "handler404", "handler429", "handler500"]


def refused(request: HttpRequest) -> HttpResponse:
    raise PermissionDenied


def missing(request: HttpRequest) -> HttpResponse:
    raise Http404


def broken(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("broken on purpose")


urlpatterns = [
    path("errors/403/", refused),
    path("errors/403-form/", errors.form_refused),
    path("errors/404/", missing),
    path("errors/429/", errors.too_many_requests),
    path("errors/500/", broken),
    *theirs,
]
