"""The content gates: what must hold of a lab before a student meets it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from lessons import grading
from lessons.catalog import Lesson
from lessons.checks import State, ViewUnavailable
from lessons.judges import LabCode, load_code
from lessons.lab_folder import LabFolder
from lessons.proving.complaints import interruption_complaint, mistake_complaint, solution_complaint, story_of
from lessons.proving.findings import Finding
from lessons.proving.folders import files_of, mistake_of, mistakes, script_of, solutions
from lessons.proving.rehearsal import Rehearsal, RobotError
from lessons.proving.rooms import room
from lessons.proving.texts import ladders, leak
from lessons.robots import Script
from lessons.sources import SourceError
from sandboxes.backends.base import Backend, BackendError, Fault

SEEDS = (20_260_101, 777)
REPEATS_S, SAMPLE_REPEATS_S = 15.0, 3.0
SOLUTION_S, MISTAKE_S, STARTER_S = 60.0, 20.0, 4.0


@dataclass(slots=True)
class Prover:
    """Proves one lab.

    only:      a part of the subject's name, to run some of it while writing.
    repeats_s: a judge is asked a thousand times whether it has one answer, or for so many seconds.
    """

    backend: Backend
    lesson: Lesson
    folder: LabFolder
    seeds: tuple[int, ...] = SEEDS
    only: str = ""
    repeats_s: float = REPEATS_S
    tell: Callable[[Finding], object] = lambda finding: None
    found: list[Finding] = field(default_factory=list)

    @property
    def code(self) -> LabCode:
        name = f"lab {self.folder.lab.id}"
        return load_code(self.folder.lab, checks=self.folder.checks, workload=self.folder.workload, name=name)

    def sample(self, turn: int) -> list[Finding]:
        """A part that is different every day: the reference with one seed, and one mistake.

        The whole proof has asked the judges as often as it takes; here they are asked for a moment.
        """
        self.repeats_s = SAMPLE_REPEATS_S
        reference = solutions(self.folder)[0]
        seed = self.seeds[turn % len(self.seeds)]
        self._gate("leak", "brief and hints", lambda: leak(self.folder))
        self._gate(
            "solution", f"solutions/{reference.name} seed {seed}", partial(self._solution, reference, seed)
        )
        if wrong := mistakes(self.folder):
            path = wrong[turn % len(wrong)]
            self._gate("mistake", f"mistakes/{path.name}", partial(self._mistake, path))
        return self.found

    def prove(self) -> list[Finding]:
        """All gates of the lab, cheapest first."""
        self._gate("leak", "brief and hints", lambda: leak(self.folder))
        self._gate("ladder", "every mistake's cause has hints", lambda: ladders(self.folder))
        self._gate("starter", "starter scores 0", self._starter)
        for path in solutions(self.folder):
            for seed in self.seeds:
                check = partial(self._solution, path, seed)
                self._gate("solution", f"solutions/{path.name} seed {seed}", check)
        for path in mistakes(self.folder):
            self._gate("mistake", f"mistakes/{path.name}", partial(self._mistake, path))
        self._gate("outage", "broker killed while judging", self._outage)
        return self.found

    def _gate(self, gate: str, subject: str, check: Callable[[], str]) -> None:
        if self.only and self.only not in subject and self.only != gate:
            return
        began = time.monotonic()
        try:
            why = check()
        except (RobotError, RuntimeError, BackendError, SourceError, ViewUnavailable) as error:
            why = f"{type(error).__name__}: {error}"
        finding = Finding(gate=gate, subject=subject, why=why, took_s=time.monotonic() - began)
        self.found.append(finding)
        self.tell(finding)

    # -- gates that need a Kafka ---------------------------------------------------------------------------

    def _starter(self) -> str:
        with self._rehearsal({}, self.seeds[0]) as robot:
            robot.play(Script(), settle_s=STARTER_S, until=lambda: False)
            return (
                f"these tasks passed with nothing done: {', '.join(sorted(robot.passed))}"
                if robot.passed
                else ""
            )

    def _solution(self, path: Path, seed: int) -> str:
        with self._rehearsal(files_of(path), seed) as robot:
            try:
                robot.play(script_of(path), settle_s=SOLUTION_S, until=lambda: robot.complete)
            except RobotError as error:
                return f"{error}{story_of(robot)}"
            return solution_complaint(robot, self.repeats_s)

    def _mistake(self, path: Path) -> str:
        mistake = mistake_of(path)
        with self._rehearsal(files_of(path), self.seeds[0]) as robot:
            robot.play(script_of(path), settle_s=MISTAKE_S, until=lambda: mistake.task in robot.failures())
            return mistake_complaint(robot, mistake, self.repeats_s)

    def _outage(self) -> str:
        """Play the reference, then kill the broker and judge everything again as if it were open."""
        reference = solutions(self.folder)[0]
        with self._rehearsal(files_of(reference), self.seeds[0]) as robot:
            robot.play(script_of(reference), settle_s=SOLUTION_S, until=lambda: robot.complete)
            interrupted = interruption_complaint(robot)
            robot.room.backend.inject(robot.room.sandbox_id, Fault(kind="broker_kill"))
            verdicts = grading.judge_lab(robot.code, robot.facts, robot.look(), robot.active)
            blamed = [name for name, verdict in verdicts.items() if verdict.state in (State.FAIL, State.PASS)]
            robot.room.backend.undo(robot.room.sandbox_id, Fault(kind="broker_kill"))
        return interrupted or (f"judged without a broker: {', '.join(blamed)}" if blamed else "")

    @contextmanager
    def _rehearsal(self, overlay: Mapping[str, str], seed: int) -> Iterator[Rehearsal]:
        with room(self.backend, self.folder.lab.profile) as here:
            robot = Rehearsal(self.code, here, starter=self.folder.starter, seed=seed)
            robot.prepare(overlay)
            try:
                yield robot
            finally:
                robot.close()
