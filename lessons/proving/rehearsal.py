"""One robot at one lab in a real sandbox, judged round by round exactly as a student would be.

Looks as the site does (`lessons.sheets`); only the rows are replaced by a few dictionaries.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace

from lessons import grading, ground, services, stimulus
from lessons.checks import (
    AttemptFacts,
    FaultView,
    NotReady,
    SandboxView,
    State,
    Verdict,
    ViewUnavailable,
    WorkloadRecord,
)
from lessons.judges import LabCode
from lessons.labs import Stimulus, Task
from lessons.proving.rooms import Room
from lessons.robots import Script, Step
from lessons.sheets import Ends, fill, log_ends
from lessons.stage import outgoing
from lessons.stimulus import ActiveTask, Done
from sandboxes import stagehand
from sandboxes.backends.base import Fault, ProgramRun, Workspace
from sandboxes.observe import KafkaView

TICK_S = 0.3
FAULT_LONGEST_S = 120.0
_OURS = ("sandbox_ended", "host_restart")


class RobotError(Exception):
    """The robot could not do a step; the script or the lab is wrong."""


class NothingProven(RobotError):
    """The sandbox ended a program, or one did not end in time: the machine may be to blame, not the work."""


@dataclass(slots=True)
class _Faults:
    """Faults in force and past, with their deadlines; the robot's own failure deck."""

    room: Room
    log: list[FaultView] = field(default_factory=list)
    due: dict[tuple[str, int], tuple[float, Fault]] = field(default_factory=dict)

    def inject(self, fault: Fault, seconds: float) -> None:
        key = (fault.kind, fault.node)
        if key not in self.due:
            self.log.append(
                FaultView(kind=fault.kind, node=fault.node, ms=fault.ms, at=time.time(), until=None)
            )
        self.room.backend.inject(self.room.sandbox_id, fault)
        self.due[key] = (time.time() + min(seconds, FAULT_LONGEST_S), fault)

    def undo(self, key: tuple[str, int]) -> None:
        found = self.due.pop(key, None)
        if found is None:
            return
        self.room.backend.undo(self.room.sandbox_id, found[1])
        self.log = [
            replace(view, until=time.time()) if (view.kind, view.node) == key and view.until is None else view
            for view in self.log
        ]

    def undo_due(self, *, everything: bool = False) -> None:
        for key, (deadline, _) in list(self.due.items()):
            if everything or time.time() >= deadline:
                self.undo(key)


@dataclass(slots=True)
class _Stage:
    """The stimulus runner's hands, in a rehearsal."""

    faults: _Faults

    def inject(self, stimulus: Stimulus, seconds: float) -> None:
        if stimulus.fault is not None:
            self.faults.inject(Fault(kind=stimulus.fault, node=stimulus.node, ms=stimulus.ms), seconds)

    def release(self, stimulus: Stimulus) -> None:
        if stimulus.fault is not None:
            self.faults.undo((stimulus.fault, stimulus.node))

    def send(self, records: list[tuple[int, WorkloadRecord]]) -> None:
        stagehand.send(self.faults.room.endpoint, [outgoing(number, record) for number, record in records])


@dataclass(slots=True)
class _Sheet:
    """What a round of a rehearsal is written on."""

    robot: Rehearsal
    said: dict[str, Verdict] = field(default_factory=dict)
    asked_at: float = 0.0

    @property
    def horizon(self) -> Ends:
        return self.robot.facts.horizon

    def facts(self) -> AttemptFacts:
        self.asked_at = time.monotonic()
        return self.robot.facts

    def passed(self) -> set[str]:
        return self.robot.passed

    def judged(self) -> Collection[str]:
        return self.said

    def is_any_locked(self) -> bool:
        return len(self.robot.active) < len(self.robot.code.lab.tasks)

    def activate(self, task: Task, view: SandboxView) -> ActiveTask:
        return self.robot.activate(task, view)

    def due_in(self, seconds: float | None) -> None:
        """A rehearsal looks again soon anyway."""

    def note(self, verdicts: Mapping[str, Verdict]) -> None:
        self.robot.judge_s.append(time.monotonic() - self.asked_at)
        self.robot.passed |= grading.passed(verdicts)
        self.said |= verdicts

    def note_locked(self, ends: Ends) -> None:
        self.robot.locked = ends


class Rehearsal:
    """An attempt. After `prepare`, `play` a script; `history` has every verdict in the order given."""

    def __init__(self, code: LabCode, room: Room, *, starter: Mapping[str, str], seed: int) -> None:
        self.code, self.room, self.seed = code, room, seed
        self.nonce = services.new_nonce()
        self.history: list[tuple[str, Verdict]] = []
        self.passed: set[str] = set()
        self.predictions: dict[str, str] = {}
        self.view: KafkaView | None = None
        self.judge_s: list[float] = []
        self.locked: Ends = {}
        self._starter = starter
        self._faults = _Faults(room)
        self._done = Done()
        self._active: dict[str, ActiveTask] = {}
        self._labels: dict[str, str] = {}
        self._facts: AttemptFacts | None = None

    # -- before --------------------------------------------------------------------------------------------

    def prepare(self, overlay: Mapping[str, str]) -> None:
        """What `start_attempt` does, with the robot's own files over the starter's."""
        lab = self.code.lab
        stagehand.ensure_topics(self.room.endpoint, ground.wishes(lab))
        files = {**self._starter, **overlay}
        ground.write_files(self.room.workspace, lab, files, nonce=self.nonce, seed=self.seed)
        horizon = stagehand.log_ends(self.room.endpoint, lab.owns.topics)
        self._facts = AttemptFacts(
            attempt_id="rehearsal", lab_id=lab.id, nonce=self.nonce, seed=self.seed, activated_at=time.time(),
            horizon=horizon,
        )  # fmt: skip
        for task in grading.open_tasks(lab, set()):
            self._active[task.id] = ActiveTask(task=task, activated_at=time.time(), horizon=horizon)
        self.tick()

    # -- judging -------------------------------------------------------------------------------------------

    @property
    def facts(self) -> AttemptFacts:
        assert self._facts is not None, "prepare() comes first"
        return replace(
            self._facts,
            passed=frozenset(self.passed),
            stimuli=stimulus.facts(self._done),
            predictions=dict(self.predictions),
        )

    @property
    def complete(self) -> bool:
        return self.passed >= {task.id for task in self.code.lab.tasks}

    def tick(self) -> dict[str, Verdict]:
        """One round: what is due is done, what is open is judged."""
        self._faults.undo_due()
        view, sheet = self.look(), _Sheet(self)
        try:
            stage = _Stage(self._faults)
            fill(sheet, self.code, view, stage, done=self._done, seed=self.seed, nonce=self.nonce)
        except ViewUnavailable:
            silent = grading.open_tasks(self.code.lab, self.passed)
            sheet.said |= {task.id: NotReady("") for task in silent if task.id not in sheet.said}
        self.history += sheet.said.items()
        return sheet.said

    def look(self) -> KafkaView:
        """A new view of the sandbox; the last one is kept for the gates."""
        self.view = KafkaView(
            endpoint=self.room.endpoint, workspace=self.room.workspace, faults=lambda: tuple(self._faults.log)
        )
        return self.view

    def activate(self, task: Task, view: SandboxView) -> ActiveTask:
        """The task as it is judged, active from now on if it was not."""
        if task.id not in self._active:
            ends = log_ends(self.code.lab, view)
            self._active[task.id] = ActiveTask(
                task=task, activated_at=view.now, horizon=ends, locked=self.locked
            )
        return self._active[task.id]

    @property
    def active(self) -> list[ActiveTask]:
        """Every task that was ever active, as judged."""
        return list(self._active.values())

    def verdicts_of(self, task_id: str) -> list[Verdict]:
        return [verdict for name, verdict in self.history if name == task_id]

    def failures(self) -> dict[str, Verdict]:
        """The first failure of each task that ever failed."""
        found: dict[str, Verdict] = {}
        for name, verdict in self.history:
            if verdict.state is State.FAIL:
                found.setdefault(name, verdict)
        return found

    # -- the robot -----------------------------------------------------------------------------------------

    def play(self, script: Script, *, settle_s: float, until: Callable[[], bool]) -> None:
        """Do the steps, then go on judging until `until` or for `settle_s`."""
        programs = [one.path for one in self.code.lab.programs if one.path.endswith(".py")]
        steps = script.steps or tuple(Step(run=path) for path in programs[:1])
        for step in steps:
            self._do(step)
        self._wait(until, script.settle or settle_s)

    def close(self) -> None:
        """Undo what is still broken and end what still runs."""
        self._faults.undo_due(everything=True)
        for run in self.room.workspace.programs():
            if run.running:
                self.room.workspace.kill_program(run.program_id)

    def _do(self, step: Step) -> None:
        if step.run is not None:
            run = self._start(step.run, step)
            if not self._wait(lambda: not self._run(run.program_id).running, step.timeout):
                raise NothingProven(f"{step.run} did not end within {step.timeout:g} s")
            self._check_exit(step, self._run(run.program_id))
        elif step.start is not None:
            self._start(step.start, step)
        elif step.wait is not None:
            self._wait_for_task(step.wait, step.timeout)
        elif step.exited is not None:
            self._wait_for_end(step.exited, step.timeout)
        elif step.sleep is not None:
            self._wait(lambda: False, step.sleep)
        else:
            self._do_at_once(step)

    def _do_at_once(self, step: Step) -> None:
        if step.stop is not None:
            self._end(step.stop, self.room.workspace.stop_program)
        elif step.kill is not None:
            self._end(step.kill, self.room.workspace.kill_program)
        elif step.fault is not None:
            self._faults.inject(Fault(kind=step.fault, node=step.node, ms=step.ms), step.seconds)
        elif step.topic is not None:
            wish = stagehand.TopicWish(
                name=step.topic.name, partitions=step.topic.partitions, configs=step.topic.configs
            )
            stagehand.grow_topic(self.room.endpoint, wish)
        elif step.predict is not None:
            self.predictions.update(step.predict)
        elif step.file is not None:
            self.room.workspace.write_file(f"{self.code.lab.slug}/{step.file.path}", step.file.text)

    def _start(self, path: str, step: Step) -> ProgramRun:
        run = self.room.workspace.start_program(
            path=f"{self.code.lab.slug}/{path}", args=step.args, label=step.label or path
        )
        self._labels[step.label or path] = run.program_id
        return run

    def _run(self, program_id: str) -> ProgramRun:
        return next(run for run in self.room.workspace.programs() if run.program_id == program_id)

    def _check_exit(self, step: Step, run: ProgramRun) -> None:
        if run.reason in _OURS:
            raise NothingProven(f"the sandbox ended {step.run}: {run.reason}; nothing was proven")
        if step.exit is not None and run.exit_code != step.exit:
            said = output_of(self.room.workspace, run.program_id)[-1500:]
            raise RobotError(f"{step.run} ended with {run.exit_code} {run.reason}, not {step.exit}:\n{said}")

    def _wait_for_task(self, task_id: str, timeout_s: float) -> None:
        if not self._wait(lambda: task_id in self.passed, timeout_s):
            last = self.verdicts_of(task_id)[-1:]
            raise RobotError(f"task {task_id} did not pass within {timeout_s:g} s; last: {last}")

    def _wait_for_end(self, label: str, timeout_s: float) -> None:
        program_id = self._known(label)
        if not self._wait(lambda: not self._run(program_id).running, timeout_s):
            raise NothingProven(f"{label} did not end within {timeout_s:g} s")

    def _end(self, label: str, how: Callable[[str], None]) -> None:
        ids = list(self._labels.values()) if label == "all" else [self._known(label)]
        for program_id in ids:
            how(program_id)

    def _known(self, label: str) -> str:
        if label not in self._labels:
            raise RobotError(f"the script never started {label!r}")
        return self._labels[label]

    def _wait(self, until: Callable[[], bool], timeout_s: float) -> bool:
        """Judge until `until` or the time is up; whether it came true."""
        deadline = time.monotonic() + timeout_s
        while not until():
            if time.monotonic() > deadline:
                return False
            self.tick()
            time.sleep(TICK_S)
        self.tick()
        return True


def output_of(workspace: Workspace, program_id: str, *, patience_s: float = 2.0) -> str:
    """What a program that has ended printed, as far as it is remembered."""
    found: list[str] = []

    async def collect() -> None:
        async for event in workspace.follow(after=0):
            if event.program_id != program_id:
                continue
            found.append(event.text)
            if event.kind == "exit":
                return

    def run() -> None:
        try:
            asyncio.run(asyncio.wait_for(collect(), patience_s))
        except TimeoutError:
            found.append("")

    # A thread of its own: the caller may already be inside an event loop.
    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return "".join(found)
