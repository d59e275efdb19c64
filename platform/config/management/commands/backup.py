"""`manage.py backup`: one archive of database, key and sandboxes."""

import os
from argparse import ArgumentParser
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from config import paths, sitelock
from config.backup import making
from config.backup.faults import BackupFault


class Command(BaseCommand):
    help = "Write database, key and sandboxes into one archive; the site may go on running."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--to", default="", help="a file to write, or a folder (backups/ in the data directory)"
        )
        parser.add_argument(
            "--sleep", action="store_true", help="put sandboxes that are awake to sleep first"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        os.umask(0o077)
        try:
            made = making.make(_place(options["to"]), sleep=options["sleep"], say=self.stdout.write)
        except BackupFault as fault:
            raise SystemExit(f"{fault.sentence}\n{fault.next_step}") from None
        except sitelock.SiteRunning as running:
            raise SystemExit(f"{running}.\nRun the same command again in a moment.") from None
        except OSError as error:
            raise SystemExit(f"The archive cannot be written: {error}.\nNothing was changed.") from None
        self._tell(made)

    def _tell(self, made: making.Made) -> None:
        self.stdout.write(
            f"{made.path} ({made.size / 1e6:.1f} MB): "
            f"the database, the key, {making.counted(made.sandboxes)}."
        )
        if made.left_out:
            self.stdout.write(f"\nNot included, {making.counted(len(made.left_out))}:")
            for sandbox, why in made.left_out.items():
                self.stdout.write(f"  {sandbox}  {why}")
            self.stdout.write("To include all of them, run: make backup SLEEP=1, or stop the site first.")
        self.stdout.write("\nIt holds students' work and the site's key: keep it where only you can read it.")


def _place(given: str) -> Path:
    name = f"millrace-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    if not given:
        return paths.DATA_DIR / "backups" / name
    place = Path(given).expanduser().resolve()
    return place / name if place.is_dir() else place
