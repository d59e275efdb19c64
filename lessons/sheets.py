"""One look at an attempt: what is due is done and what is open is judged, until nothing new opens.

The same for a student's attempt, whose tasks are rows, and for a rehearsal, whose tasks are dictionaries.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Protocol

from lessons import grading, stimulus
from lessons.checks import AttemptFacts, SandboxView, Verdict
from lessons.judges import LabCode
from lessons.labs import Lab, Task
from lessons.stimulus import ActiveTask, Done, Round, Stage

Ends = Mapping[str, tuple[int, ...]]


class Sheet(Protocol):
    """An attempt's tasks, wherever they are kept, and what this look says of them."""

    @property
    def horizon(self) -> Ends:
        """Log ends of the lab's topics when the attempt began."""

    def facts(self) -> AttemptFacts:
        """What judges are told."""

    def passed(self) -> set[str]:
        """Ids of the tasks that passed, by now."""

    def judged(self) -> Collection[str]:
        """Ids of the tasks that this look has judged."""

    def is_any_locked(self) -> bool:
        """Whether a task still waits for another."""

    def activate(self, task: Task, view: SandboxView) -> ActiveTask | None:
        """The task as it is judged, active from now on if it was locked; None when it is not on the sheet."""

    def due_in(self, seconds: float | None) -> None:
        """Something is to be done again so soon."""

    def note(self, verdicts: Mapping[str, Verdict]) -> None:
        """Keep verdicts, by task."""

    def note_locked(self, ends: Ends) -> None:
        """Keep, for what is locked still, where the logs ended when it was."""


def fill(
    sheet: Sheet, code: LabCode, view: SandboxView, stage: Stage, *, done: Done, seed: int, nonce: str
) -> None:
    """Look once. Raises ViewUnavailable; what was noted before stays."""
    # Before anything is judged: what is in the log now was made before a task that still waits passed.
    ends = _moved_ends(sheet, code.lab, view)
    for _ in range(len(code.lab.tasks) + 1):
        opened = (sheet.activate(task, view) for task in grading.open_tasks(code.lab, sheet.passed()))
        active = [one for one in opened if one is not None]
        now = Round(code=code, active=active, done=done, view=view, stage=stage, seed=seed, nonce=nonce)
        sheet.due_in(stimulus.advance(now))
        fresh = [one for one in active if one.task.id not in sheet.judged()]
        if not fresh:
            break
        sheet.note(grading.judge_lab(code, sheet.facts(), view, fresh))
    if ends:
        sheet.note_locked(ends)


def log_ends(lab: Lab, view: SandboxView) -> dict[str, tuple[int, ...]]:
    """Where the logs of the lab's topics end."""
    return {name: tuple(o.end for o in view.offsets(name)) for name in lab.owns.topics}


def _moved_ends(sheet: Sheet, lab: Lab, view: SandboxView) -> Ends:
    """The ends of the lab's logs, if a task is locked and they moved since the attempt began."""
    if not sheet.is_any_locked():
        return {}
    ends = log_ends(lab, view)
    return ends if ends != sheet.horizon else {}
