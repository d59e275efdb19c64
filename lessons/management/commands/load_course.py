from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from lessons import services
from lessons.sources import CourseError


class Command(BaseCommand):
    help = "Read lessons/content, render it and make it the course that is served."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="only say what is wrong; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["check"]:
                course = services.read()
                self.stdout.write(f"{course.file.title}: {len(course.lessons)} lessons, nothing wrong.")
            else:
                version = services.load_course()
                self.stdout.write(f"{version.title}: {version.pages.count()} lessons loaded.")
        except CourseError as error:
            for problem in error.problems:
                self.stderr.write(str(problem))
            found = len(error.problems)
            raise CommandError(
                f"{found} problem{'s' if found > 1 else ''}; the course served stays as it was."
            ) from None
