"""Judging a lab: from a view, the facts of an attempt and its open tasks to one verdict each. Pure.

A judge may be wrong, slow or silent; none of that is ever a student's fault: a view that does not answer
is "not ready", an exception is "broken" with a reference to the log.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace
from uuid import uuid4

from lessons.checks import (
    AttemptFacts,
    Broken,
    Fail,
    Judge,
    NotReady,
    SandboxView,
    ScanTooLarge,
    State,
    TimedOut,
    Verdict,
    ViewUnavailable,
)
from lessons.judges import LabCode
from lessons.labs import Lab, Task
from lessons.stimulus import ActiveTask

logger = logging.getLogger(__name__)

SILENT = "Your sandbox did not answer just now, so nothing was judged. We look again by ourselves."
OURS = "This check failed on our side, and it does not count against you. Quote {reference} if it stays."
LATE = "Nothing was seen within {seconds:g} seconds. Press Check to start the clock again."
# How a judge says that a program ended with an error; one that was made to end looks the same to it.
ENDED_BADLY = " did not end well"
# What is said instead, by the reason for which a program was ended.
ENDED_FOR = {
    "stopped": "You stopped {program}. Run it again when you are ready.",
    "killed": "You stopped {program}. Run it again when you are ready.",
    "sandbox_ended": "{program} ended because your sandbox did; the program is not to blame. Run it again.",
    "host_restart": "{program} ended because we had to restart; the program is not to blame. Run it again.",
    "memory": "{program} used more memory than it may and was ended. Let it hold less, and run it again.",
    "output": "{program} printed more than it may and was ended. Let it print less, and run it again.",
    "disk": "{program} was ended: there was no room left. Delete files or reset the lab, and run it again.",
    "cpu": "{program} used more processor time than it may and was ended. Look for a loop that never rests.",
    "time": "{program} ran for longer than a program may and was ended. Look for what keeps it from its end.",
}
TOO_MANY = "TOO_MANY_RECORDS"
# The one cause that comes from us and not from a lab; see `ladder_of`.
TOO_MANY_HINTS = (
    "The judge reads a bounded number of records. Where do so many come from?",
    "Look for a loop that never ends, or for programs of an earlier run that still write.",
    "Stop all programs, press Reset for this lab, and run your program once.",
)


def open_tasks(lab: Lab, passed: Iterable[str]) -> list[Task]:
    """The tasks that may be judged now: not passed, and all they require has."""
    done = set(passed)
    return [task for task in lab.tasks if task.id not in done and set(task.requires) <= done]


def judge_lab(
    code: LabCode, facts: AttemptFacts, view: SandboxView, active: Iterable[ActiveTask]
) -> dict[str, Verdict]:
    """One verdict per open task, by task id."""
    return {
        one.task.id: _of_ended(_judge(code.judges[one.task.id], facts, view, one), code.lab.slug, view)
        for one in active
    }


def ladder_of(lab: Lab, cause: str) -> tuple[str, ...]:
    """The hints for a cause, or none."""
    return TOO_MANY_HINTS if cause == TOO_MANY else lab.hints.get(cause, ())


def _judge(judge: Judge, facts: AttemptFacts, view: SandboxView, one: ActiveTask) -> Verdict:
    facts = replace(
        facts,
        task_id=one.task.id,
        task_activated_at=one.activated_at,
        task_horizon=one.horizon,
        locked_horizon=one.locked,
    )
    verdict = _call(judge, view, facts)
    if verdict.state is not State.WAITING:
        return verdict
    within = one.task.within
    if within is not None and view.now - one.activated_at > within:
        return replace(TimedOut(LATE.format(seconds=within)), evidence=verdict.evidence, seen=verdict.seen)
    return verdict if verdict.sentence else replace(verdict, sentence=one.task.waiting)


def _of_ended(verdict: Verdict, folder: str, view: SandboxView) -> Verdict:
    """Say for what reason a program was ended, and blame nobody for one that the owner stopped, or we did."""
    program, blames, _ = verdict.sentence.partition(ENDED_BADLY)
    if verdict.state is not State.WAITING or not blames:
        return verdict
    try:
        runs = [run for run in view.programs() if run.path == f"{folder}/{program}"]
    except ViewUnavailable:
        return verdict
    last = max(runs, key=lambda run: run.started_at, default=None)
    if last is None or last.running or last.reason not in ENDED_FOR:
        return verdict
    return replace(verdict, sentence=ENDED_FOR[last.reason].format(program=program))


def _call(judge: Judge, view: SandboxView, facts: AttemptFacts) -> Verdict:
    try:
        verdict = judge(view, facts)
    except ViewUnavailable:
        return NotReady(SILENT)
    except ScanTooLarge as error:
        return Fail(TOO_MANY, error.sentence)
    except Exception:  # noqa: BLE001 - whatever an author's judge does, it is ours and not the student's
        return _broken(facts, raised=True)
    return verdict if isinstance(verdict, Verdict) else _broken(facts)


def _broken(facts: AttemptFacts, *, raised: bool = False) -> Verdict:
    reference = f"B-{uuid4().hex[:8]}"
    where = {"reference": reference, "lab": facts.lab_id, "task": facts.task_id}
    logger.error("judge.broken", exc_info=raised, extra=where)
    return Broken(reference, OURS.format(reference=reference))


def ladder_open(failures: int, first_failed_at: float, now: float) -> tuple[int, float]:
    """How many steps of a hint ladder may be opened, and in how many seconds the next one opens by itself.

    One step for each failed attempt, or after six minutes each, counted from the first failure.
    """
    if failures == 0:
        return 0, 0.0
    by_time = 1 + int(max(0.0, now - first_failed_at) // STEP_S)
    steps = min(3, max(failures, by_time))
    return steps, 0.0 if steps == 3 else max(0.0, first_failed_at + steps * STEP_S - now)


STEP_S = 360.0


def passed(verdicts: Mapping[str, Verdict]) -> set[str]:
    """Ids of the tasks that passed in this round."""
    return {task_id for task_id, verdict in verdicts.items() if verdict.state is State.PASS}
