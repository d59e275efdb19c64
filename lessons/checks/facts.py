"""What is known about one student's attempt at a lab, beside the cluster itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sandboxes.view import Horizon


@dataclass(frozen=True, slots=True, kw_only=True)
class StimulusFact:
    """Something the platform did as part of a check.

    kind: the fault's kind, or "workload"; task: whose stimulus it was; at, until: seconds since the
    epoch (until=None while it lasts); sent: records sent so far, for a workload.
    """

    kind: str
    task: str
    at: float
    until: float | None = None
    sent: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFacts:
    """One attempt, as its judges know it.

    nonce, seed:    in the student's lab.json; a record without the nonce was not made in this attempt.
    activated_at:   when the attempt began, seconds since the epoch.
    horizon:        log ends at that moment: what lies before does not count.
    task_id:        the task being judged; task_activated_at, task_horizon: the same two for this task,
                    later than the attempt's when the task requires another one.
    locked_horizon: log ends when the task was last seen locked behind another: what lies before them was
                    made before the other passed. Empty when nothing was made meanwhile.
    passed:         ids of the tasks passed so far.
    stimuli:        what the platform did so far for this lab.
    predictions:    the student's stored predictions of the lesson: predict id -> option id.
    """

    attempt_id: str
    lab_id: str
    nonce: str
    seed: int
    activated_at: float
    horizon: Horizon = field(default_factory=dict)
    task_id: str = ""
    task_activated_at: float = 0.0
    task_horizon: Horizon = field(default_factory=dict)
    locked_horizon: Horizon = field(default_factory=dict)
    passed: frozenset[str] = frozenset()
    stimuli: tuple[StimulusFact, ...] = ()
    predictions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRecord:
    """One record the workload sends, `after` seconds from when its task became active."""

    after: float
    topic: str
    key: str | None = None
    value: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    partition: int | None = None
