"""The one interface every sandbox backend implements.

A backend turns a `Spec` into a running Kafka, says what it sees, and gives access to the files and
programs beside it. It knows nothing of students, lessons or the database. Every call is idempotent and
none waits for a broker: a caller that wants to know how far things are asks again.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, Protocol

FILE_BYTES = 256 * 1024
FILES_MAX = 200
PROGRAMS_MAX = 6

# Why the platform ended a program; the page has words for each (static/js/programs.js).
PROGRAM_REASONS = (
    "stopped",
    "killed",
    "memory",
    "output",
    "disk",
    "cpu",
    "time",
    "sandbox_ended",
    "host_restart",
)

FaultKind = Literal["broker_stop", "broker_kill", "latency", "cut", "drop_responses"]
FAULT_KINDS: tuple[FaultKind, ...] = ("broker_stop", "broker_kill", "latency", "cut", "drop_responses")


class Phase(StrEnum):
    """What the backend sees of a sandbox now (the database's State is what was decided about it)."""

    ABSENT = "absent"
    STARTING = "starting"
    RUNNING = "running"
    STOPPED = "stopped"
    FAILED = "failed"


class Tier(StrEnum):
    """How well untrusted code is held: shown on the page, decided by a probe when the backend starts."""

    STRONG = "strong"
    LIMITS_ONLY = "limits-only"
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run.

    sandbox_id: uuid4 as 32 hex digits; the name of everything the sandbox has.
    profile:    "kafka-1": one combined node.
    generation: which request of the control plane this is; recorded with the sandbox, never acted on.
    """

    sandbox_id: str
    profile: str = "kafka-1"
    generation: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaEndpoint:
    """The platform's own way to the brokers of one sandbox (SASL_PLAINTEXT, PLAIN)."""

    bootstrap_servers: str
    cluster_id: str
    username: str
    password: str = field(repr=False)

    def client_config(self) -> dict[str, str]:
        """The properties a librdkafka client needs to connect."""
        return {
            "bootstrap.servers": self.bootstrap_servers,
            "security.protocol": "SASL_PLAINTEXT",
            "sasl.mechanism": "PLAIN",
            "sasl.username": self.username,
            "sasl.password": self.password,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeState:
    """One Kafka process. role: "combined", "broker" or "controller"."""

    node_id: int
    role: str
    running: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What a backend sees of one sandbox at one instant.

    stage:    while STARTING, the step under way: "namespaces", "kafka" or "probe"; else "".
    detail:   one plain sentence for the student or the admin; may be empty.
    cause:    a code when something is wrong ("broker_exited", "disk_full", ...); else "".
    endpoint: only when RUNNING, after a Kafka answer with the expected cluster id.
    frozen:   its processes are stopped and use no CPU; thaw before any client connects.
    """

    sandbox_id: str
    phase: Phase
    stage: str = ""
    detail: str = ""
    cause: str = ""
    endpoint: KafkaEndpoint | None = None
    frozen: bool = False
    nodes: tuple[NodeState, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """What a sandbox uses of its machine: all its processes together, its brokers and the programs in it.

    memory_bytes: proportional set size, so that what is shared is counted once.
    cpu_s:        seconds of processor time since its processes started.
    disk_bytes:   its data, logs and files.
    """

    memory_bytes: int
    cpu_s: float
    disk_bytes: int
    processes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A failure to inject. node: which broker; ms: for "latency", the delay of each response."""

    kind: FaultKind
    node: int = 1
    ms: int = 0


class BackendError(Exception):
    """The backend cannot do what was asked.

    retryable: the same call may work later, nothing has to change.
    sentence:  for the person who waits: what is wrong and what to do next.
    """

    def __init__(self, sentence: str, *, retryable: bool = False) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.retryable = retryable


class WorkspaceError(BackendError):
    """A file or program cannot be had; the sentence is written for the student."""


class FileMissing(WorkspaceError):
    """There is no such file."""


class FileRefused(WorkspaceError):
    """The path leaves the workspace, follows a link, is no plain text file, or is over a limit."""


class FileConflict(WorkspaceError):
    """The file changed since `base_version`; `version` is the one that is there now."""

    def __init__(self, sentence: str, *, version: str) -> None:
        super().__init__(sentence)
        self.version = version


@dataclass(frozen=True, slots=True, kw_only=True)
class FileInfo:
    """path: relative, with "/"; size: bytes; version: first 16 hex digits of the content's sha256."""

    path: str
    size: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FileText:
    """A file's text (UTF-8, undecodable bytes replaced) and the version it was read at."""

    path: str
    text: str
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramRun:
    """One run of one program.

    path:       the file, relative to the workspace.
    started_at: seconds since the epoch; ended_at: the same, None while it runs.
    exit_code:  0..255 when it ended by itself; signal: the number when a signal ended it.
    reason:     one of PROGRAM_REASONS: "stopped" and "killed" by a person, "output" (too much of it), "disk"
                (no room left), "sandbox_ended" with its sandbox, "host_restart" (then with neither code nor
                signal); "" when the program ended by itself.
    """

    program_id: str
    path: str
    args: tuple[str, ...] = ()
    label: str = ""
    started_at: float
    ended_at: float | None = None
    exit_code: int | None = None
    signal: int | None = None
    reason: str = ""

    @property
    def running(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramEvent:
    """Something a program did. seq grows by one per event of a sandbox and never restarts.

    text: output, decoded with replacement characters; not cleaned of escape sequences.
    run:  the run as it is after this event, for "start" and "exit".
    """

    seq: int
    program_id: str
    kind: Literal["start", "output", "exit"]
    text: str = ""
    run: ProgramRun | None = None


class Workspace(Protocol):
    """The files and programs of one sandbox. Paths are relative, with "/" between names."""

    def list_files(self) -> tuple[FileInfo, ...]:
        """Every plain file, sorted by path."""

    def read_file(self, path: str, max_bytes: int = FILE_BYTES) -> FileText:
        """The text of a file; never follows a link. Raises FileMissing, FileRefused."""

    def write_file(self, path: str, text: str, *, base_version: str | None = None) -> FileInfo:
        """Replace or create a file at once, folders included.

        base_version: the version the text was made from; FileConflict when the file has another one.
        None writes whatever is there.
        """

    def delete_file(self, path: str) -> None:
        """Remove a file; silent when it is not there."""

    def start_program(self, *, path: str, args: tuple[str, ...] = (), label: str = "") -> ProgramRun:
        """Run a Python file in the file's folder. WorkspaceError when it cannot be started."""

    def stop_program(self, program_id: str) -> None:
        """Ask it to end (SIGTERM), and kill it 3 s later; silent when it has ended."""

    def kill_program(self, program_id: str) -> None:
        """End it at once (SIGKILL), with everything it started."""

    def programs(self) -> tuple[ProgramRun, ...]:
        """The last 200 runs, newest last; kept over restarts of the platform."""

    def follow(self, *, after: int = 0) -> AsyncIterator[ProgramEvent]:
        """Events of all programs with seq > after: those still remembered, then live ones."""


class Backend(Protocol):
    """Creates, watches and removes sandboxes. Idempotent; no call but `prove` and `in_use` waits longer
    than a second, and these end well within a lease (`sandboxes.leases`).

    Every call may raise BackendError; retryable when the backend was out of reach.
    """

    def ensure(self, spec: Spec) -> Observation:
        """Start whatever is missing of `spec` and say what is seen now; restarts a crashed broker."""

    def observe(self, sandbox_id: str) -> Observation:
        """What is there now; changes nothing."""

    def destroy(self, sandbox_id: str) -> Observation:
        """Remove processes and data; ABSENT once all is gone, so call again until then."""

    def freeze(self, sandbox_id: str) -> Observation:
        """Stop its processes from using CPU, keeping all their state."""

    def thaw(self, sandbox_id: str) -> Observation:
        """Undo `freeze`."""

    def suspend(self, sandbox_id: str) -> Observation:
        """Stop everything cleanly and keep the data; STOPPED once all has ended."""

    def resume(self, sandbox_id: str) -> Observation:
        """Start a suspended sandbox again with its data."""

    def inventory(self) -> tuple[str, ...]:
        """Ids of all sandboxes that have processes or data here, wanted or not."""

    def look(self) -> Mapping[str, Observation]:
        """`observe` of everything in the inventory, in one call; it wakes nothing."""

    def usage(self) -> Mapping[str, Usage]:
        """What each sandbox with processes uses, by id; one call for all, up to ten seconds old."""

    def room(self) -> int:
        """How many more sandboxes would fit into the memory that is free now."""

    def answers(self, sandbox_id: str) -> bool:
        """Whether its Kafka answers now, as the cluster it should be; thaw it first. Waits half a second."""

    def prove(self, sandbox_id: str) -> None:
        """Write a record, read it back and leave nothing behind; BackendError when that cannot be done.

        Waits for up to eight seconds. A backend that only pretends has nothing to prove.
        """

    def in_use(self, sandbox_id: str) -> str:
        """What in its Kafka would not stand being frozen: "member", "transaction", or "" for nothing.

        Waits for up to six seconds.
        """

    def inject(self, sandbox_id: str, fault: Fault) -> None:
        """Make the fault true; nothing more when it already is."""

    def undo(self, sandbox_id: str, fault: Fault) -> None:
        """Make the fault untrue; starts the node again after broker_stop and broker_kill."""

    def workspace(self, sandbox_id: str) -> Workspace:
        """The files and programs of a sandbox; cheap, makes no call."""

    def tier(self) -> Tier:
        """How well programs are held here; `start_program` needs STRONG, or LIMITS_ONLY by choice."""
