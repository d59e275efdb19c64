import random
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lessons import services
from lessons.catalog import Lesson
from lessons.lab_folder import LabFolder
from lessons.proving import gates, installation
from lessons.proving.ledger import read_ledger
from lessons.proving.mutation import Mutant, mutants
from lessons.proving.rehearsal import Rehearsal, RobotError
from lessons.robots import Script
from sandboxes.backends.base import Backend

GOAL = 0.8
SETTLE_S = 6.0


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
                caught, made = self._lab(backend, lesson, folder, options["most"])
                ledger.prove_mutants(folder, caught, made)
                if made and caught / made < GOAL:
                    poor.append(folder.lab.id)
        ledger.save()
        if poor:
            raise CommandError(f"Fewer than 80 % were noticed in {', '.join(poor)}.")

    def _lab(self, backend: Backend, lesson: Lesson, folder: LabFolder, most: int) -> tuple[int, int]:
        chosen = _choose(folder, most)
        caught = 0
        self.stdout.write(f"\nLab {folder.lab.id}: {len(chosen)} mutants")
        for name, mutant in chosen:
            noticed = _noticed(backend, lesson, folder, name, mutant)
            caught += noticed
            self.stdout.write(f"  {'caught  ' if noticed else 'SURVIVED'} {name} {mutant.what}")
            self.stdout.flush()
        self.stdout.write(f"  {caught} of {len(chosen)} caught")
        return caught, len(chosen)


def _choose(folder: LabFolder, most: int) -> list[tuple[str, Mutant]]:
    """The mutants of the reference's own files; the same choice each time when there are too many."""
    reference = gates.solutions(folder)[0]
    found = [
        (name, mutant)
        for name, text in gates.files_of(reference).items()
        if name.endswith(".py")
        for mutant in mutants(text, given=folder.starter.get(name, ""))
    ]
    return found if len(found) <= most else random.Random(folder.lab.id).sample(found, most)  # noqa: S311


def _noticed(backend: Backend, lesson: Lesson, folder: LabFolder, name: str, mutant: Mutant) -> bool:
    """Whether the lab is not completed by the damaged solution."""
    reference = gates.solutions(folder)[0]
    prover = gates.Prover(backend, lesson, folder)
    script = gates.script_of(reference)
    steps = tuple(
        step.model_copy(update={"exit": None, "timeout": min(step.timeout, 20)}) for step in script.steps
    )
    with gates.room(backend, folder.lab.profile) as here:
        robot = Rehearsal(prover.code, here, starter=folder.starter, seed=gates.SEEDS[0])
        robot.prepare({**gates.files_of(reference), name: mutant.text})
        try:
            robot.play(Script(steps=steps, settle=SETTLE_S), settle_s=SETTLE_S, until=lambda: robot.complete)
        except RobotError:
            return True
        finally:
            robot.close()
        return not robot.complete
