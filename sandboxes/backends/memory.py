"""A backend that only pretends: sandboxes are entries in a dictionary and start at a set pace.

For tests, screenshots and work on pages. There is no Kafka behind it. By default each process has its own;
with MILLRACE_MEMORY_STORE set to a file, several processes share one. It knows nothing of the database.
"""

import ast
import asyncio
import fcntl
import hashlib
import json
import os
import threading
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from sandboxes.backends.base import (
    FILE_BYTES,
    FILES_MAX,
    PROGRAMS_MAX,
    BackendError,
    Fault,
    FileConflict,
    FileInfo,
    FileMissing,
    FileRefused,
    FileText,
    KafkaEndpoint,
    NodeState,
    Observation,
    Phase,
    ProgramEvent,
    ProgramRun,
    Spec,
    Tier,
    Usage,
    WorkspaceError,
)

# How long each stage of a start seems to take, in seconds; about a tuned kafka-1 on a laptop.
PACE_S = {"namespaces": 0.05, "kafka": 0.5, "probe": 0.05}
# What a kafka-1 holds while it runs, and what it uses of a core while it does nothing.
MEMORY_BYTES = 130 * 1024 * 1024
IDLE_CORE = 0.02
ROOM = 1000
HISTORY = 200
RING_CHARACTERS = 512 * 1024
_BROKER_FAULTS = {"broker_stop", "broker_kill"}

Entries = dict[str, dict[str, Any]]


class Store(Protocol):
    """Where the entries are: `changing` gives them to one user at a time and keeps what was changed."""

    def changing(self) -> AbstractContextManager[Entries]: ...


class ProcessStore:
    """Entries of this process alone."""

    def __init__(self) -> None:
        self._entries: Entries = {}
        self._lock = threading.RLock()

    @contextmanager
    def changing(self) -> Iterator[Entries]:
        with self._lock:
            yield self._entries


class FileStore:
    """Entries in a file, for processes that share them. Each change is whole or not made at all."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")

    @contextmanager
    def changing(self) -> Iterator[Entries]:
        with self._lock_path.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            text = self._path.read_text() if self._path.exists() else "{}"
            entries: Entries = json.loads(text)
            yield entries
            after = json.dumps(entries)
            if after != text:
                draft = self._path.with_name(self._path.name + ".new")
                draft.write_text(after)
                draft.replace(self._path)


def _default_store() -> Store:
    shared = os.environ.get("MILLRACE_MEMORY_STORE")
    return FileStore(Path(shared)) if shared else ProcessStore()


@dataclass(slots=True)
class MemoryBackend:
    """The contract without a Kafka. pace_s: seconds per stage of a start; {} is ready at once."""

    pace_s: dict[str, float] = field(default_factory=lambda: dict(PACE_S))
    store: Store = field(default_factory=_default_store)
    isolation: Tier = Tier.STRONG

    def ensure(self, spec: Spec) -> Observation:
        if spec.profile != "kafka-1":
            raise BackendError(f"There is no profile called {spec.profile} here. Choose kafka-1.")
        with self.store.changing() as entries:
            entry = entries.get(spec.sandbox_id)
            if entry is None or entry["generation"] < spec.generation:
                entry = entries[spec.sandbox_id] = _new_entry(spec)
            if entry["started_at"] is None:
                entry["started_at"] = time.time()
            return self._seen(spec.sandbox_id, entry)

    def observe(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            return self._seen(sandbox_id, entries.get(sandbox_id))

    def destroy(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            entries.pop(sandbox_id, None)
        return Observation(sandbox_id=sandbox_id, phase=Phase.ABSENT)

    def freeze(self, sandbox_id: str) -> Observation:
        return self._set(sandbox_id, frozen=True)

    def thaw(self, sandbox_id: str) -> Observation:
        return self._set(sandbox_id, frozen=False)

    def suspend(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            if sandbox_id in entries:
                _end_programs(entries[sandbox_id], "sandbox_ended")
        return self._set(sandbox_id, started_at=None, frozen=False, faults=[])

    def resume(self, sandbox_id: str) -> Observation:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is not None and entry["started_at"] is None:
                entry["started_at"] = time.time()
            return self._seen(sandbox_id, entry)

    def inventory(self) -> tuple[str, ...]:
        with self.store.changing() as entries:
            return tuple(entries)

    def look(self) -> Mapping[str, Observation]:
        with self.store.changing() as entries:
            return {sandbox_id: self._seen(sandbox_id, entry) for sandbox_id, entry in entries.items()}

    def usage(self) -> Mapping[str, Usage]:
        with self.store.changing() as entries:
            return {name: _usage(entry) for name, entry in entries.items() if entry["started_at"] is not None}

    def room(self) -> int:
        with self.store.changing() as entries:
            return max(0, ROOM - len(entries))

    def answers(self, sandbox_id: str) -> bool:
        seen = self.observe(sandbox_id)
        return seen.phase is Phase.RUNNING and not seen.frozen

    def prove(self, sandbox_id: str) -> None:
        if not self.answers(sandbox_id):
            raise BackendError("There is no Kafka here to write to.", retryable=True)

    def in_use(self, sandbox_id: str) -> str:
        return ""

    def inject(self, sandbox_id: str, fault: Fault) -> None:
        with self.store.changing() as entries:
            entry = _known(entries, sandbox_id)
            if asdict(fault) not in entry["faults"]:
                entry["faults"].append(asdict(fault))
            if fault.kind in _BROKER_FAULTS:
                entry["started_at"] = None

    def undo(self, sandbox_id: str, fault: Fault) -> None:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is None:
                return
            was_there = any(_same(known, fault) for known in entry["faults"])
            entry["faults"] = [known for known in entry["faults"] if not _same(known, fault)]
            if was_there and fault.kind in _BROKER_FAULTS and entry["started_at"] is None:
                entry["started_at"] = time.time()

    def workspace(self, sandbox_id: str) -> "MemoryWorkspace":
        return MemoryWorkspace(self.store, sandbox_id)

    def tier(self) -> Tier:
        return self.isolation

    def _set(self, sandbox_id: str, **values: Any) -> Observation:
        with self.store.changing() as entries:
            entry = entries.get(sandbox_id)
            if entry is not None:
                entry.update(values)
            return self._seen(sandbox_id, entry)

    def _seen(self, sandbox_id: str, entry: dict[str, Any] | None) -> Observation:
        if entry is None:
            return Observation(sandbox_id=sandbox_id, phase=Phase.ABSENT)
        if entry["started_at"] is None:
            return Observation(sandbox_id=sandbox_id, phase=Phase.STOPPED, nodes=_nodes(running=False))
        stage = self._stage(time.time() - entry["started_at"])
        if stage:
            return Observation(
                sandbox_id=sandbox_id, phase=Phase.STARTING, stage=stage, nodes=_nodes(running=False)
            )
        return Observation(
            sandbox_id=sandbox_id,
            phase=Phase.RUNNING,
            endpoint=_endpoint(entry),
            frozen=entry["frozen"],
            nodes=_nodes(running=True),
        )

    def _stage(self, elapsed_s: float) -> str:
        for stage, lasts_s in self.pace_s.items():
            if elapsed_s < lasts_s:
                return stage
            elapsed_s -= lasts_s
        return ""


def _usage(entry: dict[str, Any]) -> Usage:
    """What a real one of its age would have used."""
    programs = sum(run["ended_at"] is None for run in entry["runs"])
    age_s = 0.0 if entry["frozen"] else time.time() - entry["started_at"]
    return Usage(
        memory_bytes=MEMORY_BYTES,
        cpu_s=1.3 + IDLE_CORE * age_s,
        disk_bytes=sum(len(text) for text in entry["files"].values()),
        processes=3 + programs,
    )


def _new_entry(spec: Spec) -> dict[str, Any]:
    return {
        "generation": spec.generation,
        "started_at": None,
        "frozen": False,
        "faults": [],
        "password": uuid.uuid4().hex,
        "cluster_id": uuid.uuid4().hex[:22],
        "files": {"kafka.properties": _KAFKA_PROPERTIES},
        "runs": [],
        "events": [],
        "seq": 0,
    }


_KAFKA_PROPERTIES = "bootstrap.servers=localhost:9092\nsecurity.protocol=PLAINTEXT\n"


def _nodes(*, running: bool) -> tuple[NodeState, ...]:
    return (NodeState(node_id=1, role="combined", running=running),)


def _endpoint(entry: dict[str, Any]) -> KafkaEndpoint:
    # Port 9 discards everything (RFC 863): a client that is pointed here by mistake reaches nobody's Kafka.
    return KafkaEndpoint(
        bootstrap_servers="127.0.0.1:9",
        cluster_id=entry["cluster_id"],
        username="platform",
        password=entry["password"],
    )


def _known(entries: Entries, sandbox_id: str) -> dict[str, Any]:
    if sandbox_id not in entries:
        raise BackendError("There is no such sandbox here. Press Start.")
    return entries[sandbox_id]


def _same(known: dict[str, Any], fault: Fault) -> bool:
    return bool(known["kind"] == fault.kind and known["node"] == fault.node)


@dataclass(slots=True)
class MemoryWorkspace:
    """Files as strings; programs that "run" by printing the literals of their print() calls."""

    store: Store
    sandbox_id: str

    def list_files(self) -> tuple[FileInfo, ...]:
        with self.store.changing() as entries:
            files = _known(entries, self.sandbox_id)["files"]
            return tuple(_info(path, files[path]) for path in sorted(files))

    def read_file(self, path: str, max_bytes: int = FILE_BYTES) -> FileText:
        _check_path(path)
        with self.store.changing() as entries:
            text = _text_of(_known(entries, self.sandbox_id), path)
        if len(text.encode()) > max_bytes:
            raise FileRefused(f"{path} is larger than {max_bytes // 1024} KiB, too large to show.")
        return FileText(path=path, text=text, version=_version(text))

    def write_file(self, path: str, text: str, *, base_version: str | None = None) -> FileInfo:
        _check_path(path)
        if len(text.encode()) > FILE_BYTES:
            raise FileRefused(f"A file may hold {FILE_BYTES // 1024} KiB. Make {path} smaller.")
        with self.store.changing() as entries:
            files = _known(entries, self.sandbox_id)["files"]
            _check_base(files.get(path), base_version, path)
            if path not in files and len(files) >= FILES_MAX:
                raise FileRefused(f"A workspace holds {FILES_MAX} files. Delete one first.")
            files[path] = text
        return _info(path, text)

    def delete_file(self, path: str) -> None:
        _check_path(path)
        with self.store.changing() as entries:
            _known(entries, self.sandbox_id)["files"].pop(path, None)

    def start_program(self, *, path: str, args: tuple[str, ...] = (), label: str = "") -> ProgramRun:
        _check_path(path)
        with self.store.changing() as entries:
            entry = _known(entries, self.sandbox_id)
            text = _text_of(entry, path)
            if sum(run["ended_at"] is None for run in entry["runs"]) >= PROGRAMS_MAX:
                raise WorkspaceError(f"{PROGRAMS_MAX} programs run already. Stop one first.")
            run = ProgramRun(
                program_id=uuid.uuid4().hex[:12], path=path, args=args, label=label, started_at=time.time()
            )
            stored = asdict(run)
            entry["runs"] = [*entry["runs"], stored][-HISTORY:]
            _remember(entry, stored, "start")
            _play(entry, stored, text)
        return run

    def stop_program(self, program_id: str) -> None:
        self._end(program_id, reason="stopped", signal=15)

    def kill_program(self, program_id: str) -> None:
        self._end(program_id, reason="killed", signal=9)

    def programs(self) -> tuple[ProgramRun, ...]:
        with self.store.changing() as entries:
            return tuple(_run(stored) for stored in _known(entries, self.sandbox_id)["runs"])

    async def follow(self, *, after: int = 0) -> AsyncIterator[ProgramEvent]:
        while True:
            with self.store.changing() as entries:
                events = list(_known(entries, self.sandbox_id)["events"])
            for event in events:
                if event["seq"] > after:
                    after = event["seq"]
                    yield ProgramEvent(**{**event, "run": _run(event["run"]) if event["run"] else None})
            await asyncio.sleep(0.02)

    def _end(self, program_id: str, *, reason: str, signal: int) -> None:
        with self.store.changing() as entries:
            entry = _known(entries, self.sandbox_id)
            for stored in entry["runs"]:
                if stored["program_id"] == program_id and stored["ended_at"] is None:
                    _finish(entry, stored, reason=reason, signal=signal)


def _end_programs(entry: dict[str, Any], reason: str) -> None:
    for stored in entry["runs"]:
        if stored["ended_at"] is None:
            _finish(entry, stored, reason=reason, signal=15)


def _play(entry: dict[str, Any], stored: dict[str, Any], text: str) -> None:
    """Print what the program would print first, and end unless it loops for ever."""
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        _remember(entry, stored, "output", f"SyntaxError: {error.msg} (line {error.lineno})\n")
        _finish(entry, stored, exit_code=1)
        return
    for line in _printed(tree):
        _remember(entry, stored, "output", line + "\n")
    if not any(isinstance(node, ast.While) for node in ast.walk(tree)):
        _finish(entry, stored, exit_code=0)


def _printed(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield " ".join(str(arg.value) for arg in node.args if isinstance(arg, ast.Constant))


def _finish(entry: dict[str, Any], stored: dict[str, Any], **how: Any) -> None:
    stored.update(ended_at=time.time(), **how)
    _remember(entry, stored, "exit")


def _remember(entry: dict[str, Any], stored: dict[str, Any], kind: str, text: str = "") -> None:
    entry["seq"] += 1
    entry["events"].append(
        {
            "seq": entry["seq"],
            "program_id": stored["program_id"],
            "kind": kind,
            "text": text,
            "run": None if kind == "output" else dict(stored),
        }
    )
    while sum(len(event["text"]) for event in entry["events"]) > RING_CHARACTERS:
        entry["events"].pop(0)


def _run(stored: dict[str, Any]) -> ProgramRun:
    return ProgramRun(**{**stored, "args": tuple(stored["args"])})


def _check_path(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not path or path.startswith("/") or ".." in parts or "\0" in path or path.endswith("/"):
        raise FileRefused("A file's path stays inside your workspace, like first-events/producer.py.")


def _check_base(present: str | None, base_version: str | None, path: str) -> None:
    version = "" if present is None else _version(present)
    if base_version is not None and base_version != version:
        raise FileConflict(f"{path} was changed elsewhere since you opened it.", version=version)


def _text_of(entry: dict[str, Any], path: str) -> str:
    if path not in entry["files"]:
        raise FileMissing(f"There is no file called {path} in your workspace.")
    text: str = entry["files"][path]
    return text


def _info(path: str, text: str) -> FileInfo:
    return FileInfo(path=path, size=len(text.encode()), version=_version(text))


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
