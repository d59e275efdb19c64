"""Puts an archive back: first all of it beside the present data, checked; then, by renames, in its place."""

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from config import sitelock
from config.backup import archive, quiet, swap
from config.backup.faults import BackupFault
from config.backup.manifest import DATABASE, FORMAT, SANDBOXES, Manifest

Known = Mapping[str, set[str]]


def restore(
    source: Path, data: Path, *, known: Known, lock: sitelock.SiteLock
) -> tuple[Manifest, Path | None]:
    """Make `data` the installation that is in the archive; what was there is kept in the folder returned.

    known: the migrations this code has, by app. Takes the site's lock, and leaves it to the caller.
    Raises BackupFault and SiteRunning, with nothing changed.
    """
    data.mkdir(parents=True, exist_ok=True)
    quiet.hold_site(lock, data, f"a backup is put back (process {os.getpid()})")
    swap.finish_interrupted(data)
    stage = data / swap.STAGE
    shutil.rmtree(stage, ignore_errors=True)
    stage.mkdir(mode=0o700)
    try:
        manifest = archive.unpack(source, stage)
        _check(manifest, known)
        _drop_the_torn(stage, manifest)
    except BaseException:
        shutil.rmtree(stage, ignore_errors=True)
        raise
    aside = swap.carry_out(data, f"before-restore-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    return manifest, _kept(aside)


def _check(manifest: Manifest, known: Known) -> None:
    if manifest.format != FORMAT or not manifest.files.get(DATABASE):
        raise BackupFault(
            f"This archive is of a form that this version does not know ({manifest.format}).",
            "Use the version of Millrace that made it, or a newer one.",
        )
    if manifest.as_root and os.geteuid() != 0:
        raise BackupFault(
            "This archive was made by root, where each sandbox belongs to a user of its own.",
            "Put it back as root.",
        )
    newer = [
        f"{app}.{name}"
        for app, names in manifest.migrations.items()
        for name in names
        if name not in known.get(app, set())
    ]
    if newer:
        raise BackupFault(
            f"This archive was made by a newer version of Millrace ({manifest.version}); "
            f"this one does not know {newer[0]}.",
            "Update the project first.",
        )


def _drop_the_torn(stage: Path, manifest: Manifest) -> None:
    """A sandbox that was woken while it was copied is in the archive in part; it is no sandbox."""
    (stage / SANDBOXES).mkdir(mode=0o711, exist_ok=True)
    for home in (stage / SANDBOXES).iterdir():
        if home.name not in manifest.sandboxes:
            shutil.rmtree(home)


def _kept(aside: Path) -> Path | None:
    """Where the old data is; None when there was none, but for a key made a moment ago."""
    if (aside / DATABASE).exists() or any((aside / SANDBOXES).glob("*")):
        return aside
    shutil.rmtree(aside)
    return None
