"""Figures about grading, counted in the workers."""

from prometheus_client import Counter, Histogram

_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 20, 60)

ROUNDS = Counter("millrace_grading_rounds_total", "Rounds of grading that ran.")
ROUND_SECONDS = Histogram(
    "millrace_grading_round_seconds", "Seconds from a round's first look at the cluster to its verdicts.",
    buckets=_BUCKETS,
)  # fmt: skip
VERDICTS = Counter(
    "millrace_verdicts_total", "Verdicts that a page shows anew, by state; broken ones are ours.", ["state"]
)

STATES = ("pass", "fail", "not_ready", "timed_out", "broken")
for _state in STATES:
    VERDICTS.labels(_state)
