"""`manage.py setup`: install and build what is missing; start nothing."""

import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from config.install.faults import SetupFault
from config.install.plan import fetch, set_up
from config.install.progress import Progress


class Command(BaseCommand):
    help = "Install and build what is missing; start nothing."
    # Nothing may be checked before it is installed.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--no-site", action="store_true", help="leave out database, course and accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o022)
        try:
            told = fetch(Progress()) if options["no_site"] else set_up(Progress())
        except SetupFault as fault:
            raise SystemExit(f"\n{fault.sentence}\n{fault.next_step}") from None
        if told:
            self.stdout.write(told)
