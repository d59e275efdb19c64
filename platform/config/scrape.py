"""GET /metrics: all figures of the site at one address, for Prometheus.

Each process counts in a small file of its own (prometheus_client's multiprocess mode); whichever web process
is asked adds them up, and asks the database and the machine for what they know. So there is one address to
scrape and none to find out, and what a process counted is still there after it was restarted.
"""

import os
from collections.abc import Callable, Iterable
from hmac import compare_digest
from ipaddress import ip_address

from django.conf import settings
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from config import machine
from sandboxes import gauges

_REFUSED = (
    "Figures are for whoever runs this site. Ask from this machine, or set METRICS_TOKEN and send it as a "
    "bearer token.\n"
)
_BY_PROXY = ("X-Forwarded-For", "X-Real-IP", "Forwarded", "X-Forwarded-Host", "X-Forwarded-Proto", "Via")


class _Asked(Collector):
    """What a function tells when it is asked; a database that is away takes only its own figures along."""

    def __init__(self, ask: Callable[[], Iterable[Metric]]) -> None:
        self._ask = ask

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand: otherwise the registry would ask at once."""
        return []

    def collect(self) -> Iterable[Metric]:
        try:
            return list(self._ask())
        except DatabaseError:
            return []


def registry() -> CollectorRegistry:
    """Everything there is to tell, of all processes where they count in files, else of this one."""
    found = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(found)  # type: ignore[no-untyped-call]
    else:
        found.register(_Asked(REGISTRY.collect))
    for ask in (machine.collect, *gauges.ASKED):
        found.register(_Asked(ask))
    return found


@require_safe
@never_cache
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures in Prometheus' text format, for those who may have them."""
    if not may_read(request):
        return HttpResponse(_REFUSED, status=403, content_type="text/plain")
    return HttpResponse(generate_latest(registry()), content_type=CONTENT_TYPE_LATEST)


def may_read(request: HttpRequest) -> bool:
    """With the token, where one is set; else only from this machine itself, with no proxy in between."""
    if settings.METRICS_TOKEN:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return compare_digest(shown.encode(), settings.METRICS_TOKEN.encode())
    if settings.SECURE or any(name in request.headers for name in _BY_PROXY):
        return False
    try:
        return ip_address(request.META.get("REMOTE_ADDR", "")).is_loopback
    except ValueError:
        return False
