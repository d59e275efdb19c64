"""Figures about the live view, counted in web processes and samplers: once per frame, never per tab."""

from prometheus_client import Counter, Gauge

VIEWERS = Gauge("millrace_live_viewers", "Tabs that watch a sandbox.", multiprocess_mode="livesum")
WATCHES = Gauge("millrace_live_watches", "Sandboxes that are sampled.", multiprocess_mode="livesum")
UNWATCHED = Gauge(
    "millrace_live_unwatched",
    "Watched sandboxes that a sampler leaves to others.",
    multiprocess_mode="livemin",
)
FRAMES = Counter("millrace_live_frames_total", "Frames that reached a web process.")
DELIVERIES = Counter("millrace_live_deliveries_total", "Frames handed to tabs.")
SKIPPED = Counter(
    "millrace_live_skipped_frames_total", "Frames that a tab was told of in sum: not viewed, or too slow."
)
SLOW_CLOSES = Counter("millrace_live_slow_closes_total", "Tabs let go because they did not keep up.")
RESUMES = Counter(
    "millrace_live_resumes_total",
    "Tabs brought up to date: from the ring (nothing missed) or by a snapshot.",
    ["source"],
)
for _source in ("ring", "snapshot"):
    RESUMES.labels(_source)
