"""How long a start takes here, and how long somebody waits for one: measured from what happened before."""

import math
import statistics
import threading
import time
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from sandboxes import placement, pool, queueing
from sandboxes.lifecycle import State
from sandboxes.models import Cluster, Sandbox, SandboxEvent

# What each takes before this site has measured any: a kafka-1 on a laptop (median, 90th percentile).
ASSUMED_S = {"start": (2.0, 5.0), "wake": (2.0, 4.0), "warm": (0.1, 0.5)}
ASSUMED_STAGES_S = {"namespaces": 0.1, "kafka": 1.0, "probe": 0.2}
STAGES = tuple(ASSUMED_STAGES_S)
SAMPLE = 50
ENOUGH = 3
KEPT_S = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long a start takes. All in seconds; starts: how many were measured, 0 for an assumption."""

    median_s: float
    p90_s: float
    starts: int
    mean_s: float = 0.0


def estimate(profile: str, what: str = "start") -> Estimate:
    """Of the last 50: what: "start" from nothing, "wake" of a sleeping one, "warm" out of the pool."""
    came_from = State.RESUMING if what == "wake" else State.BINDING
    recent = SandboxEvent.objects.filter(
        kind=SandboxEvent.MOVE, new=State.READY, old=came_from, sandbox__profile=profile, work_s__gt=0
    )
    of_pool = recent.filter(detail=pool.HAND_OVER)
    recent = of_pool if what == "warm" else recent.exclude(detail=pool.HAND_OVER)
    took = sorted(recent.order_by("-at").values_list("work_s", flat=True)[:SAMPLE])
    if len(took) < ENOUGH:
        median_s, p90_s = ASSUMED_S[what]
        return Estimate(median_s=median_s, p90_s=p90_s, starts=0, mean_s=median_s)
    return Estimate(
        median_s=statistics.median(took),
        p90_s=took[math.ceil(0.9 * len(took)) - 1],
        starts=len(took),
        mean_s=statistics.fmean(took),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """Everything that is measured of a profile, kept for a moment: a rush asks for it again and again."""

    start: Estimate
    wake: Estimate
    warm: Estimate
    stages_s: dict[str, float]


_known: dict[str, tuple[float, Known]] = {}
_measuring = threading.Lock()


def known(profile: str) -> Known:
    """What was measured, at most KEPT_S ago; each process measures for itself, in one thread at a time."""
    with _measuring:
        now = time.monotonic()
        if profile not in _known or now - _known[profile][0] > KEPT_S:
            _known[profile] = now, _measure(profile)
        return _known[profile][1]


def _measure(profile: str) -> Known:
    return Known(
        start=estimate(profile, "start"),
        wake=estimate(profile, "wake"),
        warm=estimate(profile, "warm"),
        stages_s=usual_stages_s(),
    )


def forget() -> None:
    """Measure anew when asked next."""
    _known.clear()


def wait_s(sandbox: Sandbox) -> float:
    """How long a sandbox that starts, wakes or waits will still take, in seconds."""
    if sandbox.now is State.QUEUED and sandbox.cluster is not None:
        return waits_s(sandbox.cluster, placement.place_in_queue(sandbox), sandbox.profile)[-1]
    measured = known(sandbox.profile)
    waking = sandbox.now is State.RESUMING
    takes = measured.wake if waking else measured.warm if sandbox.frozen else measured.start
    return _left_s(sandbox.begun_at, takes)


def waits_s(cluster: Cluster, count: int, profile: str) -> list[float]:
    """The wait of each of the first `count` in the queue of a cluster.

    A start is counted with its mean: a queue is a sum of starts, and a few slow ones make it longer.
    """
    measured = known(profile).start
    busy = [_left_s(begun_at, measured) for begun_at in placement.under_way_since(cluster)]
    places = placement.starts_at_once(cluster)
    return queueing.waits_s(places=places, left_s=busy, count=count, start_s=measured.mean_s)


def _left_s(begun_at: datetime | None, measured: Estimate) -> float:
    elapsed_s = (timezone.now() - begun_at).total_seconds() if begun_at else 0.0
    return queueing.left_of_start_s(elapsed_s, median_s=measured.median_s, p90_s=measured.p90_s)


def usual_stages_s() -> dict[str, float]:
    """What each stage took in the middle of the last fifty, or is assumed to take before any was measured."""
    stages = SandboxEvent.objects.filter(kind=SandboxEvent.STAGE, old__in=STAGES).order_by("-pk")
    measured: dict[str, list[float]] = {}
    for name, took_s in stages.values_list("old", "took_s")[: SAMPLE * len(STAGES)]:
        measured.setdefault(name, []).append(took_s)
    return ASSUMED_STAGES_S | {
        name: statistics.median(took) for name, took in measured.items() if len(took) >= ENOUGH
    }
