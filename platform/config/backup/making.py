"""Makes the archive: a consistent copy of the database, the key, and every sandbox that is asleep.

The database comes first, and of the sandboxes those that it knows: whatever happens meanwhile is newer than
both. A sandbox is copied while it is stopped, under the lease that a worker would need to wake it; so the
copy is exact. One that is awake is never copied: its broker writes all the time.
"""

import errno
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from config import paths, sitelock
from config.backup import quiet
from config.backup.archive import Tick, Writer
from config.backup.faults import BackupFault
from config.backup.manifest import DATABASE, SANDBOXES, SECRET, Manifest, site_version
from sandboxes import leases, provisioning, tasks
from sandboxes.backends.base import BackendError, Phase
from sandboxes.errors import LeaseLost
from sandboxes.lifecycle import ALIVE, State
from sandboxes.models import Sandbox

# What is in a sandbox's folder only while it runs.
_WITHOUT = frozenset({"run"})
_ASLEEP_WITHIN_S = 90.0
_LEASE_WITHIN_S = 15.0
_LOOK_S = 0.25
_DEAD_S = 3600.0
# Said to the student whose sandbox it is.
_REASON = "to make a backup of it"
_SNAPSHOT = f"{DATABASE}.backup-"  # and the process that makes it
# The archive cannot be written; anything else is about the file that is read.
_WRITING = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO})

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """left_out: id -> why; size in bytes."""

    path: Path
    size: int
    sandboxes: int
    left_out: dict[str, str]


def check_engine() -> None:
    """Raises BackupFault for a database that has tools of its own."""
    if connection.vendor != "sqlite":
        raise BackupFault(
            "The database is PostgreSQL, and its own tools back it up.",
            "Use pg_dump, and copy sandboxes/ and secret.key of a stopped site: see deploy/README.md.",
        )


def make(to: Path, *, sleep: bool, say: Say) -> Made:
    """Write the archive to `to`. sleep: put those to sleep first that are awake."""
    check_engine()
    lock = sitelock.SiteLock()
    running = sitelock.held()
    if not running:
        quiet.hold_site(lock, paths.DATA_DIR, f"a backup is made (process {os.getpid()})")
    to.parent.mkdir(parents=True, exist_ok=True)
    _forget_broken_off(to.parent, "millrace-*.partial")
    _forget_broken_off(_database().parent, f"{_SNAPSHOT}*", of_the_dead=True)
    writer = Writer(to)
    try:
        return _fill(writer, running=running, sleep=sleep and running, say=say)
    except BaseException:
        writer.give_up()
        raise
    finally:
        lock.release()


def _forget_broken_off(folder: Path, names: str, *, of_the_dead: bool = False) -> None:
    """What is left of backups that were killed: an hour without a byte, or a maker that is no more.

    An archive may lie on a disk that other machines write to as well, so only its age tells.
    """
    for partial in folder.glob(names):
        with suppress(FileNotFoundError):  # its maker has just ended
            still = time.time() - partial.stat().st_mtime
            if still > _DEAD_S or (of_the_dead and not _maker_lives(partial)):
                partial.unlink()


def _maker_lives(snapshot: Path) -> bool:
    """Whether there is a process of the number in its name; another one since is taken for it."""
    number = snapshot.name.removeprefix(_SNAPSHOT).partition("-")[0]
    return number.isdecimal() and Path(f"/proc/{number}").exists()


def _fill(writer: Writer, *, running: bool, sleep: bool, say: Say) -> Made:
    if sleep:
        _put_all_to_sleep(say)
    with _snapshot() as snapshot:
        writer.add(snapshot, DATABASE)
    key = paths.DATA_DIR / SECRET
    if key.exists():
        writer.add(key, SECRET)
    whole, left_out = _add_sandboxes(writer, running)
    writer.finish(
        Manifest(
            made_at=datetime.now(UTC).isoformat(timespec="seconds"),
            version=site_version(),
            as_root=os.geteuid() == 0,
            migrations=_migrations(),
            sandboxes=whole,
            left_out=left_out,
            files=writer.files,
        )
    )
    return Made(path=writer.path, size=writer.path.stat().st_size, sandboxes=len(whole), left_out=left_out)


@contextmanager
def _snapshot() -> Iterator[Path]:
    """The database as it is at one moment, whoever writes to it (sqlite.org/lang_vacuum.html)."""
    # A name of its own: somebody else may be making a backup, too.
    handle, name = tempfile.mkstemp(prefix=f"{_SNAPSHOT}{os.getpid()}-", dir=_database().parent)
    os.close(handle)
    copy = Path(name)
    try:
        with connection.cursor() as cursor:
            cursor.execute("VACUUM INTO %s", [name])
        yield copy
    finally:
        copy.unlink(missing_ok=True)


def _database() -> Path:
    return Path(settings.DATABASES["default"]["NAME"])


def _migrations() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for app, name in MigrationRecorder(connection).applied_migrations():
        found.setdefault(app, []).append(name)
    return {app: sorted(names) for app, names in sorted(found.items())}


# -- sandboxes ---------------------------------------------------------------------------------------------


def _students() -> list[Sandbox]:
    """Sandboxes that hold a student's data, in the order they were made."""
    rows = Sandbox.objects.exclude(owner=None).exclude(state__in=(State.DELETING, State.DELETED))
    return [row for row in rows.select_related("cluster").order_by("created_at") if _home(row).is_dir()]


def _home(sandbox: Sandbox) -> Path:
    return paths.SANDBOX_DIR / sandbox.hex


def _add_sandboxes(writer: Writer, running: bool) -> tuple[list[str], dict[str, str]]:
    """The ids of those that are whole in the archive, and why others are not."""
    whole: list[str] = []
    left_out: dict[str, str] = {}
    (writer.add if paths.SANDBOX_DIR.is_dir() else _nothing)(paths.SANDBOX_DIR, SANDBOXES)
    for sandbox in _students():
        why = _add_under_lease(writer, sandbox) if running else _add(writer, sandbox)
        if why:
            left_out[sandbox.hex] = why
        else:
            whole.append(sandbox.hex)
    return whole, left_out


def _nothing(path: Path, name: str) -> None:
    return


def _add(writer: Writer, sandbox: Sandbox, tick: Tick = lambda: None) -> str:
    """Why it is not whole in the archive; nothing when it is. A student can spoil their own copy, no more."""
    try:
        writer.add_tree(_home(sandbox), f"{SANDBOXES}/{sandbox.hex}", without=_WITHOUT, tick=tick)
    except OSError as error:
        if error.errno in _WRITING:
            raise
        return f"it cannot be read ({error.strerror or error})"
    return ""


def _add_under_lease(writer: Writer, sandbox: Sandbox) -> str:
    """Why it was not copied, or not to its end; nothing when it is whole."""
    lease = _take(sandbox.pk)
    if lease is None:
        return "somebody is at work on it"
    try:
        awake = _awake(sandbox)
        return awake or _add(writer, sandbox, tick=lambda: leases.renew(lease))
    except LeaseLost:
        return "it was woken while it was copied"
    finally:
        leases.release(lease)


def _take(sandbox_id: UUID) -> leases.Lease | None:
    until = time.monotonic() + _LEASE_WITHIN_S
    while time.monotonic() < until:
        if lease := leases.take(sandbox_id):
            return lease
        time.sleep(_LOOK_S)
    return None


def _awake(sandbox: Sandbox) -> str:
    """What keeps it from being copied; nothing when it is at rest and will be while we hold the lease."""
    sandbox.refresh_from_db(fields=["state", "generation"])
    if sandbox.now not in {State.SUSPENDED, State.FAILED}:
        return f"it is awake ({sandbox.state})"
    try:
        seen = provisioning.backend_for(sandbox).observe(sandbox.hex)
    except BackendError as error:
        return error.sentence
    return "" if seen.phase is Phase.STOPPED else "it is not at rest yet"


def _put_all_to_sleep(say: Say) -> None:
    """A clean stop of each, and awake again at the next use."""
    going = []
    for sandbox in Sandbox.objects.exclude(owner=None).filter(state__in=ALIVE):
        if sandbox.move_to(State.SUSPENDING, actor="backup", wish=True, reason=_REASON):
            tasks.doorbell(sandbox.pk)
            going.append(sandbox.pk)
    if going:
        say(f"Putting {counted(len(going))} to sleep. What is put to sleep wakes when it is used again.")
    until = time.monotonic() + _ASLEEP_WITHIN_S
    while Sandbox.objects.filter(pk__in=going, state=State.SUSPENDING).exists() and time.monotonic() < until:
        time.sleep(_LOOK_S)


def counted(sandboxes: int) -> str:
    """`1 sandbox`, `2 sandboxes`."""
    return f"{sandboxes} sandbox{'' if sandboxes == 1 else 'es'}"
