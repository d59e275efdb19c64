"""Where the pretended sandboxes are kept: in this process, or in a file that several processes share."""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from sandboxes.backends.base import BackendError

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


def default_store() -> Store:
    """The process's own; with MILLRACE_MEMORY_STORE set to a file, that one."""
    shared = os.environ.get("MILLRACE_MEMORY_STORE")
    return FileStore(Path(shared)) if shared else ProcessStore()


def known(entries: Entries, sandbox_id: str) -> dict[str, Any]:
    """A sandbox's entry. Raises BackendError when there is none."""
    if sandbox_id not in entries:
        raise BackendError("There is no such sandbox here. Press Start.")
    return entries[sandbox_id]
