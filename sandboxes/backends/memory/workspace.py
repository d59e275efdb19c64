"""A workspace whose files are strings, and whose programs print what their print() calls say."""

import ast
import asyncio
import hashlib
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any

from sandboxes.backends.base import (
    FILE_BYTES,
    FILES_MAX,
    PROGRAMS_MAX,
    FileConflict,
    FileInfo,
    FileMissing,
    FileRefused,
    FileText,
    ProgramEvent,
    ProgramRun,
    WorkspaceError,
)
from sandboxes.backends.memory.store import Store, known

HISTORY = 200
RING_CHARACTERS = 512 * 1024


@dataclass(slots=True)
class MemoryWorkspace:
    """Files as strings; programs that "run" by printing the literals of their print() calls."""

    store: Store
    sandbox_id: str

    def list_files(self) -> tuple[FileInfo, ...]:
        with self.store.changing() as entries:
            files = known(entries, self.sandbox_id)["files"]
            return tuple(_info(path, files[path]) for path in sorted(files))

    def read_file(self, path: str, max_bytes: int = FILE_BYTES) -> FileText:
        _check_path(path)
        with self.store.changing() as entries:
            text = _text_of(known(entries, self.sandbox_id), path)
        if len(text.encode()) > max_bytes:
            raise FileRefused(f"{path} is larger than {max_bytes // 1024} KiB, too large to show.")
        return FileText(path=path, text=text, version=_version(text))

    def write_file(self, path: str, text: str, *, base_version: str | None = None) -> FileInfo:
        _check_path(path)
        if len(text.encode()) > FILE_BYTES:
            raise FileRefused(f"A file may hold {FILE_BYTES // 1024} KiB. Make {path} smaller.")
        with self.store.changing() as entries:
            files = known(entries, self.sandbox_id)["files"]
            _check_base(files.get(path), base_version, path)
            if path not in files and len(files) >= FILES_MAX:
                raise FileRefused(f"A workspace holds {FILES_MAX} files. Delete one first.")
            files[path] = text
        return _info(path, text)

    def delete_file(self, path: str) -> None:
        _check_path(path)
        with self.store.changing() as entries:
            known(entries, self.sandbox_id)["files"].pop(path, None)

    def start_program(self, *, path: str, args: tuple[str, ...] = (), label: str = "") -> ProgramRun:
        _check_path(path)
        with self.store.changing() as entries:
            entry = known(entries, self.sandbox_id)
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
            return tuple(_run(stored) for stored in known(entries, self.sandbox_id)["runs"])

    async def follow(self, *, after: int = 0) -> AsyncIterator[ProgramEvent]:
        while True:
            with self.store.changing() as entries:
                events = list(known(entries, self.sandbox_id)["events"])
            for event in events:
                if event["seq"] > after:
                    after = event["seq"]
                    yield ProgramEvent(**{**event, "run": _run(event["run"]) if event["run"] else None})
            await asyncio.sleep(0.02)

    def _end(self, program_id: str, *, reason: str, signal: int) -> None:
        with self.store.changing() as entries:
            entry = known(entries, self.sandbox_id)
            for stored in entry["runs"]:
                if stored["program_id"] == program_id and stored["ended_at"] is None:
                    _finish(entry, stored, reason=reason, signal=signal)


def end_programs(entry: dict[str, Any], reason: str) -> None:
    """End what runs in a sandbox."""
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
