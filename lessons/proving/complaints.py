"""What is asked of a rehearsal once it was played; each answer is a complaint, or "" when all is well."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

from lessons import grading
from lessons.checks import SandboxView, State, ViewUnavailable
from lessons.judges import LabCode
from lessons.proving.rehearsal import Rehearsal, output_of
from lessons.robots import Mistake

REPEATS = 1000
JUDGE_P95_S, JUDGE_WORST_S = 1.0, 15.0


def solution_complaint(robot: Rehearsal, repeats_s: float) -> str:
    """Why a finished solution is not accepted: a task open, a false alarm, a judge of two minds, or slow."""
    if not robot.complete:
        missing = {task.id for task in robot.code.lab.tasks} - robot.passed
        return f"not passed: {', '.join(sorted(missing))}{story_of(robot)}"
    if alarms := robot.failures():
        told = "; ".join(f"{name}: {verdict.cause} {verdict.sentence}" for name, verdict in alarms.items())
        return f"failed on the way, although it is right: {told}"
    return determinism_complaint(robot, repeats_s) or speed_complaint(robot)


def mistake_complaint(robot: Rehearsal, mistake: Mistake, repeats_s: float) -> str:
    """Why a mistake was not caught as it should be."""
    failures = robot.failures()
    others = {name: verdict.cause for name, verdict in failures.items() if name != mistake.task}
    if others:
        return f"blames {others} as well"
    if mistake.task in robot.passed:
        return f"{mistake.task} passed"
    mine = failures.get(mistake.task)
    if mine is None:
        return f"{mistake.task} never failed{story_of(robot)}"
    causes = {v.cause for v in robot.verdicts_of(mistake.task) if v.state is State.FAIL}
    if causes != {mistake.cause}:
        return f"failed with {', '.join(sorted(causes))}, not {mistake.cause}: {mine.sentence}"
    return determinism_complaint(robot, repeats_s)


def determinism_complaint(robot: Rehearsal, repeats_s: float) -> str:
    """One look, a thousand judgements, one answer: the view remembers what it read."""
    view = robot.look()
    first = grading.judge_lab(robot.code, robot.facts, view, robot.active)
    deadline = time.monotonic() + repeats_s
    for _ in range(REPEATS - 1):
        if time.monotonic() > deadline:
            break  # a judge of very many records: its thousand repeats would take minutes
        if grading.judge_lab(robot.code, robot.facts, view, robot.active) != first:
            return "a judge gave two answers to the same look"
    return ""


def speed_complaint(robot: Rehearsal) -> str:
    times = sorted(robot.judge_s)
    p95 = times[int(0.95 * (len(times) - 1))]
    if p95 > JUDGE_P95_S or times[-1] > JUDGE_WORST_S:
        return f"judging takes {p95:.2f} s at p95 and {times[-1]:.2f} s at worst; allowed are 1 s and 15 s"
    return ""


def interruption_complaint(robot: Rehearsal) -> str:
    """The sandbox falls silent at each of a judge's reads in turn: never a failure, never a pass."""
    full = robot.look()
    for one in robot.active:
        judge = robot.code.judges[one.task.id]
        for reads in range(30):
            view = _Falling(full, reads)
            alone = LabCode(robot.code.lab, {one.task.id: judge}, None)
            verdict = grading.judge_lab(alone, robot.facts, cast(SandboxView, view), [one])[one.task.id]
            if not view.fell:
                break
            if verdict.state not in (State.NOT_READY, State.BROKEN):
                return f"{one.task.id} says {verdict.state} when the sandbox falls silent at read {reads + 1}"
    return ""


class _Falling:
    """A view that stops answering after so many reads."""

    def __init__(self, view: SandboxView, reads: int) -> None:
        self._view, self._left, self.fell = view, reads, False

    @property
    def now(self) -> float:
        return self._view.now

    def __getattr__(self, name: str) -> Callable[..., object]:
        def read(*args: object, **kwargs: object) -> object:
            if self._left == 0:
                self.fell = True
                raise ViewUnavailable("the sandbox fell silent")
            self._left -= 1
            answer: object = getattr(self._view, name)(*args, **kwargs)
            return answer

        return read


def story_of(robot: Rehearsal) -> str:
    """The last verdict of each task, and what the programs printed last, for the author."""
    last = {name: f"{verdict.state} {verdict.cause} {verdict.sentence}" for name, verdict in robot.history}
    lines = [f"\n    {name}: {told}" for name, told in last.items()]
    for run in robot.room.workspace.programs()[-2:]:
        said = output_of(robot.room.workspace, run.program_id).strip().splitlines()[-6:]
        lines.append(f"\n    {run.path} exit {run.exit_code} {run.reason}: " + " | ".join(said))
    return "".join(lines)
