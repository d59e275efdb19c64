import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lessons import services
from lessons.catalog import Lesson
from lessons.checks import ViewUnavailable
from lessons.lab_folder import LabFolder
from lessons.proving import folders, gates, installation
from lessons.proving.ledger import read_ledger
from lessons.proving.mutation import Mutant, mutants
from lessons.proving.rehearsal import NothingProven, Rehearsal, RobotError
from lessons.proving.rooms import NoRoom, room
from lessons.robots import Script
from sandboxes.backends.base import Backend, BackendError

GOAL = 0.8
SETTLE_S = 6.0
# A mutant may loop for ever. outage.py of lab 5.2 takes 10.5 s by itself, and twice that beside a damaged
# race.py: while a task before it is open, each look waits for the broker that is stopped, and only after the
# look is it started again (measured at a load of 5 on four cores).
LONGEST_S = 45.0
# The sandbox may be to blame, not the work.
OURS = (NothingProven, NoRoom, BackendError, ViewUnavailable)
_WORDS = {True: "caught  ", False: "SURVIVED", None: "nothing proven"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a mutant.

    caught: whether a judge noticed the damage; None when the sandbox was to blame twice.
    why:    then, what was wrong with it.
    """

    caught: bool | None
    why: str = ""

    def __str__(self) -> str:
        return f"{_WORDS[self.caught]}{f' ({self.why})' if self.why else ''}"


class Command(BaseCommand):
    help = (
        "Damage the reference solutions in small ways and count how many the judges notice (at least 80 %)."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--lab", action="append", default=[], help="only this lab, e.g. 5.1 (may be repeated)"
        )
        parser.add_argument(
            "--most", type=int, default=40, help="at most so many mutants per lab (default 40)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not installation.is_private():
            sys.exit(installation.run_again_in_private(sys.argv))
        course = services.read()
        ledger = read_ledger(course.path)
        poor = []
        with installation.host() as backend:
            for lesson, folder in course.labs():
                if options["lab"] and folder.lab.id not in options["lab"]:
                    continue
                caught, judged = self._lab(backend, lesson, folder, options["most"])
                if judged:
                    ledger.prove_mutants(folder, caught, judged)
                if judged and caught / judged < GOAL:
                    poor.append(folder.lab.id)
        ledger.save()
        if poor:
            raise CommandError(f"Fewer than 80 % were noticed in {', '.join(poor)}.")

    def _lab(self, backend: Backend, lesson: Lesson, folder: LabFolder, most: int) -> tuple[int, int]:
        chosen = _choose(folder, most)
        said: list[bool | None] = []
        self.stdout.write(f"\nLab {folder.lab.id}: {len(chosen)} mutants")
        for name, mutant in chosen:
            outcome = noticed(partial(_completed, backend, lesson, folder, name, mutant))
            said.append(outcome.caught)
            self.stdout.write(f"  {outcome} {name} {mutant.what}")
            self.stdout.flush()
        caught, judged = said.count(True), len(said) - said.count(None)
        left_out = f"; {said.count(None)} proved nothing and are not counted" if None in said else ""
        self.stdout.write(f"  {caught} of {judged} caught{left_out}")
        return caught, judged


def _choose(folder: LabFolder, most: int) -> list[tuple[str, Mutant]]:
    """The mutants of the reference's own files; the same choice each time when there are too many."""
    reference = folders.solutions(folder)[0]
    found = [
        (name, mutant)
        for name, text in folders.files_of(reference).items()
        if name.endswith(".py")
        for mutant in mutants(text, given=folder.starter.get(name, ""))
    ]
    return found if len(found) <= most else random.Random(folder.lab.id).sample(found, most)  # noqa: S311


def noticed(completed: Callable[[], bool]) -> Outcome:
    """Whether a damaged solution was caught.

    A machine that is busy, a host that ends a program or a sandbox that breaks must not make the judges look
    sharper: such a mutant is tried once more, and then it is said and not counted.
    """
    why = ""
    for _ in range(2):
        try:
            return Outcome(caught=not completed())
        except OURS as error:
            why = str(error)
        except RobotError:
            return Outcome(caught=True)
    return Outcome(caught=None, why=why)


def _completed(backend: Backend, lesson: Lesson, folder: LabFolder, name: str, mutant: Mutant) -> bool:
    """Whether the damaged solution completes the lab."""
    reference = folders.solutions(folder)[0]
    prover = gates.Prover(backend, lesson, folder)
    script = folders.script_of(reference)
    steps = tuple(
        step.model_copy(update={"exit": None, "timeout": min(step.timeout, LONGEST_S)})
        for step in script.steps
    )
    with room(backend, folder.lab.profile) as here:
        robot = Rehearsal(prover.code, here, starter=folder.starter, seed=gates.SEEDS[0])
        robot.prepare({**folders.files_of(reference), name: mutant.text})
        return played(robot, Script(steps=steps, settle=SETTLE_S))


def played(robot: Rehearsal, script: Script) -> bool:
    """Whether a script completes the lab; one of OURS when it did not and the sandbox answers no more."""
    try:
        robot.play(script, settle_s=SETTLE_S, until=lambda: robot.complete)
    finally:
        robot.close()
        if not robot.complete:
            robot.look().topics()
    return robot.complete
