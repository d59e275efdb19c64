"""What the host remembers of a sandbox on disk, so that a new host finds everything again.

One `state.json` per sandbox directory, replaced at once, readable by the platform only. The number in it
gives the sandbox its loopback address and, under root, its user: both stay the same for its whole life.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import socket
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sandboxes.backends.base import BackendError
from sandboxes.backends.local import kafka

Goal = Literal["running", "stopped", "gone"]

_FIRST_UID = 200_000
_NUMBERS = 1 << 24  # the free bytes of 127.x.y.z
_REGION = 1 << 8  # numbers one installation tries before it strays into another's
_PLATFORM_PORT = 19092


@dataclass(slots=True, kw_only=True)
class HeldFault:
    """A fault that is in force until it is undone; the same fields as base.Fault."""

    kind: str
    node: int
    ms: int


@dataclass(slots=True, kw_only=True)
class Record:
    """State of one sandbox. Mutable: `save` after each change.

    keeper_pid, keeper_start: process 1 as the host sees it, and its start time in clock ticks since boot, so
    that a reused pid is not taken for it. 0 when there is none.
    """

    sandbox_id: str
    profile: str
    generation: int
    number: int
    token: str
    password: str = field(repr=False)
    cluster_id: str
    goal: Goal = "running"
    frozen: bool = False
    keeper_pid: int = 0
    keeper_start: int = 0
    next_seq: int = 1
    faults: list[HeldFault] = field(default_factory=list)

    @property
    def address(self) -> str:
        """The host's loopback address of the platform's way in."""
        return f"127.{self.number >> 16}.{self.number >> 8 & 255}.{self.number & 255}"


@dataclass(frozen=True, slots=True)
class Home:
    """The directories of one sandbox on the host."""

    root: Path

    @property
    def state(self) -> Path:
        return self.root / "state.json"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def history(self) -> Path:
        return self.root / "programs.jsonl"


def new_record(*, sandbox_id: str, profile: str, generation: int, number: int) -> Record:
    return Record(
        sandbox_id=sandbox_id,
        profile=profile,
        generation=generation,
        number=number,
        token=secrets.token_hex(32),
        password=secrets.token_hex(24),
        cluster_id=kafka.new_cluster_id(),
    )


def save(home: Home, record: Record) -> None:
    """Replace the record on disk at once."""
    aside = home.state.with_suffix(".new")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as stream:
        json.dump(asdict(record), stream)
    aside.replace(home.state)


def settle(home: Home) -> None:
    """See the first record to the disk, for a machine that may lose its power; silent when it has gone.

    Those that replace it come there whole or not at all where file systems care (ext4's auto_da_alloc).
    """
    with contextlib.suppress(OSError):
        descriptor = os.open(home.state, os.O_RDONLY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load(home: Home) -> Record | None:
    """The record on disk; None when there is none that can be read."""
    try:
        seen: dict[str, Any] = json.loads(home.state.read_text())
        faults = [HeldFault(**fault) for fault in seen.pop("faults")]
        return Record(**seen, faults=faults)
    except (OSError, ValueError, TypeError, KeyError):
        return None


def free_number(sandbox_dir: Path, taken: set[int]) -> int:
    """A number no sandbox of ours has, and whose address nobody on this machine listens on.

    Starts at a place of this installation's own, so that two installations seldom meet. BackendError when
    there is none.
    """
    digest = hashlib.sha256(os.fsencode(sandbox_dir)).digest()
    first = (16 << 16) + int.from_bytes(digest[:2], "big") * _REGION % (200 << 16)
    for step in range(_NUMBERS):
        number = (first + 1 + step) % _NUMBERS
        if number not in taken and number & 255 not in (0, 255) and _is_free(number):
            return number
    raise BackendError(
        "This machine has no address left for another sandbox. Tell your instructor.", retryable=True
    )


def _is_free(number: int) -> bool:
    address = f"127.{number >> 16}.{number >> 8 & 255}.{number & 255}"
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, _PLATFORM_PORT))
        except OSError:
            return False
    return True


def uid_of(number: int) -> int | None:
    """The user of a sandbox's processes: its own under root, None (ours) for an ordinary user.

    In a container whose user namespace has few users, several sandboxes may share one.
    """
    if os.geteuid() != 0:
        return None
    users = _users_here()
    if users > _FIRST_UID + _NUMBERS:
        return _FIRST_UID + number
    if users > 30_000:
        return 20_000 + number % 10_000
    return None


def _users_here() -> int:
    """How many user ids this user namespace maps, counted from 0."""
    words = Path("/proc/self/uid_map").read_text().split()
    return int(words[2]) if len(words) >= 3 and words[0] == "0" else 0


def process_start(pid: int) -> int:
    """Start time of a process in clock ticks since boot (field 22 of stat); 0 when it does not live."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in (b"Z", b"X") else int(fields[19])
