"""`manage.py up`: bring everything up to date, start the site, stay until Ctrl-C."""

import asyncio
import os
import sys
import time
import traceback
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.checks import run_checks
from django.core.management.base import BaseCommand

from config import paths, processes
from config.install import ground, tools
from config.install.faults import SetupFault, from_os_error
from config.install.plan import set_up
from config.install.progress import Progress
from config.sitelock import SiteLock, SiteRunning
from config.supervisor import StartFault, Supervisor


class Command(BaseCommand):
    help = "Install what is missing, start the site, and stay until Ctrl-C."
    # Checked below, after the faults that have a sentence of their own.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", type=float, default=time.time(), help="when the wait began, s")

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o022)
        lock = SiteLock()
        try:
            lock.hold(f"{processes.address()} (process {os.getpid()})")
            self._up(began=options["since"])
        except SiteRunning as running:
            self._leave(f"{running}.", "Stop that one first, or just open the address.")
        except SetupFault as fault:
            self._leave(fault.sentence, fault.next_step)
        except StartFault as fault:
            self._leave(f"{fault}\n{fault.last_words}", f"More is in {paths.LOG_DIR / fault.name}.log")
        except KeyboardInterrupt:
            sys.exit(130)
        except Exception as error:  # noqa: BLE001 - the last door before the person who typed `make up`
            self._unforeseen(error)
        finally:
            lock.release()

    def _up(self, *, began: float) -> None:
        ground.check_port(settings.BIND, settings.PORT)
        _check_settings()
        people = set_up(Progress())
        supervisor = Supervisor(
            processes.groups(),
            log_dir=paths.LOG_DIR,
            say=self._say,
            on_ready=lambda: self._greet(people, time.time() - began),
        )
        try:
            asyncio.run(supervisor.run())
        except StartFault:
            self._say(people)  # a first password is made once; it must not be lost with a failed start
            raise
        self._say("Stopped.")

    def _greet(self, people: str, took_s: float) -> None:
        self._say(f"\nMillrace is running at {processes.address()} ({took_s:.1f} s)\n\n")
        if people:
            self._say(f"{people}\n\n")
        self._say(f"Logs are in {paths.LOG_DIR}. Press Ctrl-C to stop.")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()

    def _unforeseen(self, error: Exception) -> None:
        known = from_os_error(error) if isinstance(error, OSError) else None
        if known:
            self._leave(known.sentence, known.next_step)
        tools.note("".join(traceback.format_exception(error)))
        name = type(error).__name__
        self._leave(f"An error that we did not foresee: {name}: {error}", f"More is in {tools.SETUP_LOG}")

    def _leave(self, sentence: str, next_step: str) -> None:
        self.stderr.write(f"\n{sentence}\n{next_step}")
        sys.exit(1)


def _check_settings() -> None:
    """Django's system checks and ours; the first serious one is reason enough not to start."""
    for found in run_checks():
        if found.is_serious():
            raise SetupFault(found.msg, found.hint or "Mend that setting, then run the same command again.")
