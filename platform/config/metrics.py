"""Figures about the site as a whole: what was asked, how it was answered, and what was removed as too old."""

from prometheus_client import Counter, Histogram

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# From a page made in a millisecond to a view that waited for a broker until it gave up.
_BUCKETS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)

REQUESTS = Counter(
    "millrace_http_requests_total", "Requests answered, by route and status.", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    "millrace_http_request_seconds",
    "Seconds from a request's first middleware to its answer.",
    ["route"],
    buckets=_BUCKETS,
)

RETIRED = Counter(
    "millrace_retention_removed_total",
    "Rows removed because they were old enough, by what they were.",
    ["what"],
)
for _what in ("sandboxes", "events", "faults", "sessions"):
    RETIRED.labels(_what)


def answered(method: str, route: str, status: int, took_s: float) -> None:
    """Count one answer. Routes are those of the URL configuration, so a stranger cannot make up new ones."""
    REQUESTS.labels(method if method in _METHODS else "other", route, status).inc()
    REQUEST_SECONDS.labels(route).observe(took_s)
