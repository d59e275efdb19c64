"""What passes between the host daemon and its clients: one JSON object a line, and our dataclasses in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sandboxes.backends.base import (
    BackendError,
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
    Usage,
    WorkspaceError,
)

LINE_BYTES = 4 * 1024 * 1024
_ERRORS: Mapping[str, type[BackendError]] = {
    one.__name__: one for one in (BackendError, WorkspaceError, FileMissing, FileRefused, FileConflict)
}

Json = dict[str, Any]


def line(said: Json) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode() + b"\n"


def failure(error: BackendError) -> Json:
    version = error.version if isinstance(error, FileConflict) else None
    return {
        "error": type(error).__name__,
        "sentence": error.sentence,
        "retryable": error.retryable,
        "version": version,
    }


def raise_failure(answer: Json) -> None:
    """Raise what the other side raised."""
    kind = _ERRORS.get(answer["error"], BackendError)
    if kind is FileConflict:
        raise FileConflict(answer["sentence"], version=answer["version"])
    raise kind(answer["sentence"], retryable=answer["retryable"])


def to_json(value: Observation | FileInfo | FileText | ProgramRun | ProgramEvent | Usage) -> Json:
    return asdict(value)


def observation(said: Json) -> Observation:
    endpoint = said["endpoint"]
    return Observation(
        **said
        | {
            "phase": Phase(said["phase"]),
            "endpoint": KafkaEndpoint(**endpoint) if endpoint else None,
            "nodes": tuple(NodeState(**node) for node in said["nodes"]),
        }
    )


def program_run(said: Json) -> ProgramRun:
    return ProgramRun(**said | {"args": tuple(said["args"])})


def program_event(said: Json) -> ProgramEvent:
    run = said["run"]
    return ProgramEvent(**said | {"run": program_run(run) if run else None})
