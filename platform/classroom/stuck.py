"""When a student counts as stuck, and why; pure, and the same rule for everybody.

Only what a student did can make them stuck. A check that is broken, a sandbox that did not answer and a task
that ran out of time are never held against them.
"""

from dataclasses import dataclass

SAME_CAUSE = 3
QUIET_MIN = 8
# Whoever has done nothing for longer than this is not at work, and so is not stuck for want of a verdict.
ACTIVE_MIN = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTask:
    """A task of an attempt that is under way. Times in seconds since the epoch.

    state:       a verdicts.State, as text.
    cause:       of its last failure; times: how often it has failed for that cause, in all attempts.
    still_since: since when nothing has moved in its lab; None when it is not the task they are at.
    """

    state: str
    cause: str = ""
    times: int = 0
    still_since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why somebody is stuck. kind: "cause", that came back so many times, or "quiet"."""

    kind: str
    cause: str = ""
    times: int = 0

    @property
    def sentence(self) -> str:
        if self.kind == "cause":
            return f"The same cause came back {self.times} times."
        return f"At work for {QUIET_MIN} minutes or more without a new verdict."


def reason(task: OpenTask, *, active_at: float | None, now: float) -> Reason | None:
    """Why the student is stuck at this task, or None. active_at: when they last did anything at all."""
    if task.state == "fail" and task.cause and task.times >= SAME_CAUSE:
        return Reason(kind="cause", cause=task.cause, times=task.times)
    if task.still_since is None or active_at is None or task.state not in {"waiting", "fail"}:
        return None
    is_at_work = now - active_at <= ACTIVE_MIN * 60
    is_still = now - task.still_since >= QUIET_MIN * 60
    return Reason(kind="quiet") if is_at_work and is_still else None
