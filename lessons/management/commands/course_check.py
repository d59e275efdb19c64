import sys
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lessons import services
from lessons.catalog import Course
from lessons.proving import gates, installation
from lessons.proving.findings import Finding
from lessons.proving.gates import Prover
from lessons.proving.ledger import Ledger, read_ledger, sample, unproven
from lessons.proving.prose import prove_run
from lessons.sources import CourseError
from sandboxes.backends.base import Backend


class Command(BaseCommand):
    help = "Prove the course on a real Kafka: every content gate, for what changed since its last proof."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--lab", action="append", default=[], help="only this lab, e.g. 5.1 (may be repeated)"
        )
        parser.add_argument("--all", action="store_true", help="every lab and every program of the text")
        parser.add_argument(
            "--sample", action="store_true", help="also a part of the lab whose turn it is today"
        )
        parser.add_argument(
            "--only", default="", help="only gates whose subject has this in it, e.g. mistakes/no-flush"
        )
        parser.add_argument(
            "--seed", type=int, action="append", default=[], help="other seeds than the usual two"
        )
        parser.add_argument("--no-ledger", action="store_true", help="do not write proofs.yaml")

    def handle(self, *args: Any, **options: Any) -> None:
        if not installation.is_private():
            sys.exit(installation.run_again_in_private(sys.argv))
        course = self._course()
        ledger = read_ledger(course.path)
        today = datetime.now(UTC).date()
        labs = set(options["lab"]) or set(unproven(course, ledger))
        if options["all"]:
            labs = {folder.lab.id for _, folder in course.labs()}
        turn = (
            set(sample((folder.lab.id for _, folder in course.labs()), today)) - labs
            if options["sample"]
            else set()
        )
        prose = [
            lesson for lesson in course.lessons
            if lesson.page.runs and not options["lab"] and (options["all"] or not ledger.proves_prose(lesson))
        ]  # fmt: skip
        if not labs and not prose and not turn:
            self.stdout.write("Every lab and every program of the text is proven already.")
            return
        with installation.host() as backend:
            findings = self._labs(backend, course, labs, ledger, options)
            for lesson, folder in course.labs():
                if folder.lab.id in turn:
                    self.stdout.write(f"\nToday's sample: lab {folder.lab.id} {folder.lab.title}")
                    findings += Prover(backend, lesson, folder, tell=self._tell).sample(today.toordinal())
            for lesson in prose:
                found = [self._tell(prove_run(backend, lesson, block)) for block in lesson.page.runs]
                findings += found
                if all(finding.held for finding in found):
                    ledger.prove_prose(lesson, today)
        self._save(ledger, options)
        failed = [finding for finding in findings if not finding.held]
        self.stdout.write(f"\n{len(findings) - len(failed)} of {len(findings)} gates held.")
        if failed:
            raise CommandError(f"{len(failed)} did not.")

    def _course(self) -> Course:
        try:
            return services.read()
        except CourseError as error:
            raise CommandError(f"{error}") from None

    def _labs(
        self, backend: Backend, course: Course, labs: set[str], ledger: Ledger, options: dict[str, Any]
    ) -> list[Finding]:
        found: list[Finding] = []
        for lesson, folder in course.labs():
            if folder.lab.id not in labs:
                continue
            self.stdout.write(f"\nLab {folder.lab.id} {folder.lab.title}")
            prover = Prover(
                backend, lesson, folder, only=options["only"], tell=self._tell,
                seeds=tuple(options["seed"]) or gates.SEEDS,
            )  # fmt: skip
            mine = prover.prove()
            found += mine
            if all(finding.held for finding in mine) and not options["only"]:
                ledger.prove(folder, len(mine), datetime.now(UTC).date())
                self._save(ledger, options)
        return found

    def _save(self, ledger: Ledger, options: dict[str, Any]) -> None:
        if not options["no_ledger"] and not options["only"]:
            ledger.save()

    def _tell(self, finding: Finding) -> Finding:
        mark = "held  " if finding.held else "FAILED"
        self.stdout.write(f"  {mark} {finding.gate:9} {finding.took_s:6.1f} s  {finding.subject}")
        if not finding.held:
            self.stdout.write(f"         {finding.why}")
        self.stdout.flush()
        return finding
