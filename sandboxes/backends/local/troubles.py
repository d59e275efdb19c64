"""Why a sandbox does not run: a code, and a sentence that says what to do, for whoever waits."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

from sandboxes.backends.local.trees import Usage

# java's own end of a JVM that had no memory left (-XX:+ExitOnOutOfMemoryError).
_OUT_OF_MEMORY = 3
_BY_SIGNAL = 128
_LEAST_BYTES, _LEAST_FILES = 1 << 20, 16


@dataclass(frozen=True, slots=True)
class Trouble:
    """cause: a code that is counted; detail: for the student, or the admin."""

    cause: str
    detail: str


LOST = Trouble(
    "sandbox_lost", "Your sandbox stopped unexpectedly. It is started again, and your data is kept."
)
SILENT = Trouble("broker_silent", "Your Kafka broker did not answer in time.")
HUNG = Trouble("broker_hung", "Your Kafka broker hung: it ran, and did not answer.")
OPEN = Trouble("isolation_failed", "Your sandbox could not be closed off from this machine.")
OURS = Trouble("host_error", "Something went wrong with your sandbox on our side.")
RESTARTED = Trouble("host_restarted", "Your sandbox stopped when the platform restarted.")
HELD_DOWN = Trouble("fault", "The broker is down because the failure deck stopped it.")
COMING_BACK = Trouble(
    "fault", "The failure deck had stopped the broker. It is starting again, with its data."
)
TOO_MUCH_DATA = Trouble(
    "disk_full", "Your topics hold more data than a sandbox may keep. Start over to get an empty one."
)
TOO_MANY_PARTITIONS = Trouble(
    "too_many_partitions",
    "Your topics have more partitions than a sandbox's broker can open. Start over to get an empty one.",
)
OUTGROWN = (TOO_MUCH_DATA, TOO_MANY_PARTITIONS)
_ADDRESS_TAKEN = Trouble(
    "address_taken",
    "Another program on this machine has taken the address of your sandbox. "
    "It starts as soon as the address is free; your data is kept.",
)
_MACHINE_FULL = Trouble(
    "machine_disk_full",
    "The disk of the machine your sandbox lives on is full. Tell your instructor; it starts again by itself "
    "once there is room, and your data is kept.",
)
_READ_ONLY = Trouble(
    "machine_disk_read_only",
    "The disk of the machine your sandbox lives on cannot be written to. Tell your instructor; your data is "
    "kept.",
)


def of_exit(status: int | None, *, while_starting: bool, said: str) -> Trouble:
    """Why a broker ended. status: as wait(2) gives it; said: its last warning or error."""
    if status is not None and os.waitstatus_to_exitcode(status) == _OUT_OF_MEMORY:
        detail = (
            "Your Kafka broker ran out of memory and stopped. It is started again, and your data is kept."
        )
        return Trouble("broker_out_of_memory", detail)
    when = "while starting" if while_starting else "unexpectedly"
    detail = f"Your Kafka broker stopped {when}."
    has_said_why = bool(said) and not _was_killed(status)
    return Trouble("broker_exited", f"{detail} It said: {said}" if has_said_why else detail)


def _was_killed(status: int | None) -> bool:
    """What it said before has nothing to do with its end. bubblewrap tells of a signal as shells do."""
    code = 0 if status is None else os.waitstatus_to_exitcode(status)
    return code < 0 or code > _BY_SIGNAL


def of_error(error: OSError) -> Trouble:
    """Why the ground of a sandbox could not be laid or its doors not be opened."""
    if error.errno == errno.EADDRINUSE:
        return _ADDRESS_TAKEN
    return _BY_ERRNO.get(error.errno or 0, LOST)


def of_data(found: Usage, most: Usage) -> Trouble | None:
    """How the data of a sandbox has outgrown its room; a partition is a folder of some five files."""
    if found.size > most.size:
        return TOO_MUCH_DATA
    return TOO_MANY_PARTITIONS if found.files > most.files else None


def of_disk(folder: Path) -> Trouble | None:
    """What is wrong with the file system that holds a folder; None when it has room and takes it."""
    try:
        seen = os.statvfs(folder)
    except OSError as error:
        return _BY_ERRNO.get(error.errno or 0)
    if seen.f_flag & os.ST_RDONLY:
        return _READ_ONLY
    no_files = seen.f_files > 0 and seen.f_favail < _LEAST_FILES  # some file systems count none
    return _MACHINE_FULL if seen.f_bavail * seen.f_frsize < _LEAST_BYTES or no_files else None


_BY_ERRNO = {errno.ENOSPC: _MACHINE_FULL, errno.EDQUOT: _MACHINE_FULL, errno.EROFS: _READ_ONLY}
