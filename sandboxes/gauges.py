"""Figures about sandboxes that rows can tell, read when Prometheus asks: a bounded number of queries."""

from collections.abc import Iterator

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric

from sandboxes import provisioning, pulse, selectors
from sandboxes.backends.base import BackendError
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox


def _states() -> Iterator[Metric]:
    gauge = Gauge(
        "millrace_sandboxes", "Sandboxes by state; frozen ones use no processor.", labels=["state", "frozen"]
    )
    present = Sandbox.objects.exclude(state=State.DELETED)
    rows = present.values_list("state", "frozen").annotate(count=Count("pk"))
    counted = {(state, frozen): count for state, frozen, count in rows}
    for state in State:
        for frozen in (False, True):
            count = counted.get((state.value, frozen), 0)
            if state is not State.DELETED and (count or not frozen):
                gauge.add_metric([state.value, str(frozen).lower()], count)
    yield gauge


def _queue() -> Iterator[Metric]:
    length = Gauge("millrace_queue_length", "Sandboxes that wait for a place.", labels=["cluster"])
    oldest = Gauge("millrace_queue_oldest_seconds", "How long the first has waited.", labels=["cluster"])
    waiting = Sandbox.objects.filter(state=State.QUEUED).exclude(owner=None)
    rows = waiting.values_list("cluster__name").annotate(count=Count("pk"), first=Min("queued_at"))
    found = {name or "": (count, first) for name, count, first in rows}
    now = timezone.now()
    for name in {*found, *Cluster.objects.values_list("name", flat=True)}:
        count, first = found.get(name, (0, now))
        length.add_metric([name], count)
        oldest.add_metric([name], max(0.0, (now - first).total_seconds()))
    yield from (length, oldest)


def _pool() -> Iterator[Metric]:
    gauge = Gauge(
        "millrace_pool_sandboxes",
        "The warm pool: wanted, warm (ready to be taken) and starting.",
        labels=["cluster", "profile", "what"],
    )
    for row in selectors.pool_rows():
        for what, count in (("wanted", row.wanted), ("warm", row.warm), ("starting", row.starting)):
            gauge.add_metric([row.cluster.name, row.profile, what], count)
    yield gauge


def _sweep() -> Iterator[Metric]:
    age_s = pulse.since_sweep_s()
    if age_s is not None:
        yield Gauge("millrace_sweep_age_seconds", "Seconds since the last sweep ended.", value=age_s)


def _usage() -> Iterator[Metric]:
    """What all sandboxes of the site's own backend use together; up to ten seconds old."""
    up = Gauge("millrace_backend_up", "1 while what runs the sandboxes answers.")
    try:
        used = provisioning.backend_for(None).usage().values()
    except BackendError:
        up.add_metric([], 0)
        yield up
        return
    up.add_metric([], 1)
    yield up
    memory, disk = sum(one.memory_bytes for one in used), sum(one.disk_bytes for one in used)
    processes = sum(one.processes for one in used)
    yield Gauge("millrace_sandboxes_memory_bytes", "Memory of all sandboxes (PSS).", value=memory)
    yield Gauge("millrace_sandboxes_disk_bytes", "Disk space of all sandboxes.", value=disk)
    yield Gauge("millrace_sandboxes_processes", "Processes of all sandboxes.", value=processes)


# Each by itself: a database that is away takes only its own figures along.
ASKED = (_states, _queue, _pool, _sweep, _usage)
