"""`manage.py restore FROM`: make this data directory the installation that an archive holds."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection, connections
from django.db.migrations.loader import MigrationLoader

from config import paths, sitelock
from config.backup import making, restoring, swap
from config.backup.faults import BackupFault
from config.backup.manifest import DATABASE, Manifest
from config.install.site import make_folders


class Command(BaseCommand):
    help = "Put an archive of `backup` back; what is there now is kept aside."
    # The database that is there now may be the one that is broken.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("source", metavar="FROM", help="the archive")

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        lock = sitelock.SiteLock()
        try:
            manifest, aside = self._restore(Path(options["source"]).expanduser().resolve(), lock)
        except BackupFault as fault:
            raise SystemExit(f"{fault.sentence}\n{fault.next_step}") from None
        except sitelock.SiteRunning as running:
            next_step = "Stop it first (Ctrl-C), then run the same command again."
            raise SystemExit(f"{running}.\n{next_step}") from None
        except OSError as error:
            raise SystemExit(f"The archive cannot be put back: {error}.\n{_how_far()}") from None
        finally:
            lock.release()
        self._tell(manifest, aside)

    def _restore(self, source: Path, lock: sitelock.SiteLock) -> tuple[Manifest, Path | None]:
        making.check_engine()
        if Path(settings.DATABASES["default"]["NAME"]) != paths.DATA_DIR / DATABASE:
            raise BackupFault(
                "DATABASE_URL names a file outside the data directory.",
                "Unset it to put the archive back, then move the file and set it again.",
            )
        known: dict[str, set[str]] = {}
        for app, name in MigrationLoader(None).disk_migrations:
            known.setdefault(app, set()).add(name)
        connections.close_all()
        manifest, aside = restoring.restore(source, paths.DATA_DIR, known=known, lock=lock)
        _complete(aside)
        return manifest, aside

    def _tell(self, manifest: Manifest, aside: Path | None) -> None:
        held = making.counted(len(manifest.sandboxes))
        self.stdout.write(f"Restored what was there at {manifest.made_at}: the database, the key, {held}.")
        if manifest.left_out:
            left_out = making.counted(len(manifest.left_out))
            self.stdout.write(f"Not in the archive, because awake at the time: {left_out}.")
        if aside:
            self.stdout.write(f"What was here before is in {aside}; delete it when you do not need it.")
        self.stdout.write("Start the site: make up")


def _how_far() -> str:
    """What is written down is finished by whoever comes next."""
    if (paths.DATA_DIR / swap.NOTE).exists():
        return "It is half in place: once that is mended, make up, or the same command, finishes it."
    return "Nothing was changed."


def _complete(aside: Path | None) -> None:
    """Add what no archive holds, and bring an older database to today's form, as `up` would."""
    try:
        make_folders()
        call_command("migrate", interactive=False, verbosity=0)
    except (DatabaseError, OSError) as error:
        raise BackupFault(
            f"The archive is in place, but cannot be brought to this version's form: {error}.",
            f"What was here before is in {aside}." if aside else "There was nothing here before.",
        ) from error
    finally:
        connection.close()
