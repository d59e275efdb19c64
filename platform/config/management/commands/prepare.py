"""`manage.py prepare`: bring the installation up to date, for `manage.py up`, which runs beside."""

import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.checks import run_checks
from django.core.management.base import BaseCommand

from config.install.faults import SetupFault
from config.install.plan import set_up
from config.install.progress import Progress
from config.install.told import told


class Command(BaseCommand):
    help = "Bring this installation up to date; `up` does this by itself."
    # Checked below, after the faults that have a sentence of their own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--say-to", type=int, default=1, help="a file descriptor for what there is to say"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o022)
        try:
            _check_settings()
            people = set_up(Progress())
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:  # noqa: BLE001 - the last door before the person who typed `make up`
            sentence, next_step = told(error)
            raise SystemExit(f"\n{sentence}\n{next_step}") from None
        with os.fdopen(options["say_to"], "w") as out:
            out.write(people)


def _check_settings() -> None:
    """Django's system checks and ours; the first serious one is reason enough not to start."""
    for found in run_checks():
        if found.is_serious():
            raise SetupFault(found.msg, found.hint or "Mend that setting, then run the same command again.")
