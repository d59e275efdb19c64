"""The content gates: what must hold of a lab, and of each program in the prose, before a student meets it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import cast

from lessons import grading
from lessons.catalog import Lesson
from lessons.checks import SandboxView, State, ViewUnavailable
from lessons.judges import LabCode, load_code
from lessons.lab_folder import LabFolder
from lessons.proving import installation
from lessons.proving.rehearsal import Rehearsal, RobotError, Room, output_of
from lessons.rendering.model import RunBlock
from lessons.robots import Mistake, Script
from lessons.sources import SourceError, read_text, read_yaml
from sandboxes import stagehand
from sandboxes.backends.base import Backend, BackendError, Fault

SEEDS = (20_260_101, 777)
REPEATS, REPEATS_S, SAMPLE_REPEATS_S = 1000, 15.0, 3.0
SOLUTION_S, MISTAKE_S, STARTER_S = 60.0, 20.0, 4.0
JUDGE_P95_S, JUDGE_WORST_S = 1.0, 15.0
_META = {"run.yaml", "mistake.yaml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one gate on one thing. why: "" when it held."""

    gate: str
    subject: str
    why: str = ""
    took_s: float = 0.0

    @property
    def held(self) -> bool:
        return not self.why


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
                return f"{error}{_story(robot)}"
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


@contextmanager
def room(backend: Backend, profile: str) -> Iterator[Room]:
    """A fresh sandbox, removed afterwards."""
    sandbox_id = installation.start(backend, profile)
    try:
        endpoint = installation.wait_until_up(backend, sandbox_id, profile)
        yield Room(backend=backend, sandbox_id=sandbox_id, endpoint=endpoint)
    finally:
        installation.remove(backend, sandbox_id)


# -- what is asked of a rehearsal --------------------------------------------------------------------------


def solution_complaint(robot: Rehearsal, repeats_s: float) -> str:
    """Why a finished solution is not accepted: a task open, a false alarm, a judge of two minds, or slow."""
    if not robot.complete:
        missing = {task.id for task in robot.code.lab.tasks} - robot.passed
        return f"not passed: {', '.join(sorted(missing))}{_story(robot)}"
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
        return f"{mistake.task} never failed{_story(robot)}"
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
        if (
            time.monotonic() > deadline
        ):  # a judge of very many records; its thousand repeats would take minutes
            break
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


def _story(robot: Rehearsal) -> str:
    """The last verdict of each task, and what the programs printed last, for the author."""
    last = {name: f"{verdict.state} {verdict.cause} {verdict.sentence}" for name, verdict in robot.history}
    lines = [f"\n    {name}: {told}" for name, told in last.items()]
    for run in robot.room.workspace.programs()[-2:]:
        said = output_of(robot.room.workspace, run.program_id).strip().splitlines()[-6:]
        lines.append(f"\n    {run.path} exit {run.exit_code} {run.reason}: " + " | ".join(said))
    return "".join(lines)


# -- gates on text -----------------------------------------------------------------------------------------


def leak(folder: LabFolder) -> str:
    """A line of a solution that the brief, a task's text or one of the first two hints gives away."""
    told = [folder.brief, *folder.task_texts.values()]
    told += [step for ladder in folder.lab.hints.values() for step in ladder[:2]]
    text = _squeezed(" ".join(told))
    for path in solutions(folder):
        for line in secret_lines(folder, path):
            if _squeezed(line) in text:
                return f"{path.name} has the line `{line}`, and the brief or a hint 1-2 says it"
    return ""


def secret_lines(folder: LabFolder, solution: Path) -> Iterator[str]:
    """Lines of a solution worth hiding: not in the starter, not trivial."""
    given = {_squeezed(line) for text in folder.starter.values() for line in text.splitlines()}
    for name, text in files_of(solution).items():
        if not name.endswith(".py"):
            continue
        for line in text.splitlines():
            code = line.split("#")[0].strip()
            if len(_squeezed(code)) >= 16 and not _TRIVIAL.match(code) and _squeezed(code) not in given:
                yield code


_TRIVIAL = re.compile(
    r"^(import |from |def |class |return$|else:|try:|except|finally:|if __name__|\"\"\"|print\()"
)


def _squeezed(text: str) -> str:
    """Without markup, entities and spaces, so that formatting hides nothing."""
    plain = re.sub(r"<[^>]+>", "", text)
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&amp;", "&"), ("&#39;", "'")):
        plain = plain.replace(entity, character)
    return re.sub(r"[\s`]+", "", plain)


def ladders(folder: LabFolder) -> str:
    """Every mistake names a task and a cause of this lab, and the cause has its hints."""
    if not solutions(folder):
        return "there is no solution"
    for path in mistakes(folder):
        mistake = mistake_of(path)
        if mistake.task not in {task.id for task in folder.lab.tasks}:
            return f"{path.name}: there is no task {mistake.task!r}"
        if len(grading.ladder_of(folder.lab, mistake.cause)) != 3:
            return f"{path.name}: no hints for {mistake.cause}"
    return ""


# -- a lab's folders ---------------------------------------------------------------------------------------


def solutions(folder: LabFolder) -> list[Path]:
    """The reference first."""
    found = [path for path in (folder.path / "solutions").glob("*/") if not path.name.startswith((".", "_"))]
    return sorted(found, key=lambda path: (path.name != "reference", path.name))


def mistakes(folder: LabFolder) -> list[Path]:
    return sorted(p for p in (folder.path / "mistakes").glob("*/") if not p.name.startswith((".", "_")))


def files_of(path: Path) -> dict[str, str]:
    """The files to lay over the starter."""
    return {
        file.relative_to(path).as_posix(): read_text(file)
        for file in sorted(path.rglob("*"))
        if file.is_file() and file.name not in _META and "__pycache__" not in file.parts
    }


def script_of(path: Path) -> Script:
    file = path / "run.yaml"
    return read_yaml(file).load(Script) if file.exists() else Script()


def mistake_of(path: Path) -> Mistake:
    return read_yaml(path / "mistake.yaml").load(Mistake)


# -- programs in the prose ---------------------------------------------------------------------------------


def prove_run(backend: Backend, lesson: Lesson, block: RunBlock) -> Finding:
    """Run one `:::run` block in a fresh sandbox."""
    began = time.monotonic()
    subject = f"lesson {lesson.front.number}, line {block.line}: {block.id}"
    try:
        with room(backend, lesson.front.profile) as here:
            why = _run_complaint(here, block)
    except (RuntimeError, BackendError, ViewUnavailable) as error:
        why = f"{type(error).__name__}: {error}"
    return Finding(gate="prose", subject=subject, why=why, took_s=time.monotonic() - began)


def _run_complaint(here: Room, block: RunBlock) -> str:
    wishes = [stagehand.TopicWish(name=name, partitions=count) for name, count in block.topics.items()]
    stagehand.ensure_topics(here.endpoint, wishes)
    here.workspace.write_file(f"try/{block.id}.py", block.code)
    run = here.workspace.start_program(path=f"try/{block.id}.py", label=block.id)
    deadline = time.monotonic() + block.timeout
    while time.monotonic() < deadline:
        now = next(r for r in here.workspace.programs() if r.program_id == run.program_id)
        if not now.running:
            said = output_of(here.workspace, run.program_id)
            if now.exit_code != 0:
                return f"ended with {now.exit_code} {now.reason}: {said[-800:]}"
            return "" if re.search(block.expect, said) else f"printed no {block.expect!r} but: {said[-800:]}"
        time.sleep(0.1)
    return f"did not end within {block.timeout:g} s"
