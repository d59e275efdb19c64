"""A client's line to the host daemon: one connection a call, short time-outs."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sandboxes.backends.base import BackendError
from sandboxes.backends.local import wire
from sandboxes.backends.local.wire import Json

CALL_S = 2.0
_CHUNK = 65536


class HostClient:
    """Talks to the daemon at this socket; may be used from any thread."""

    def __init__(self, path: Path, *, timeout_s: float = CALL_S) -> None:
        self._path, self._timeout_s = path, timeout_s

    def call(self, op: str, **arguments: Any) -> Any:
        """The answer's value; raises BackendError, retryable when the daemon could not be reached."""
        try:
            answer = self._exchange({"op": op, **arguments})
        except (OSError, ValueError) as error:
            raise _unreachable() from error
        if "error" in answer:
            wire.raise_failure(answer)
        return answer["value"]

    async def stream(self, op: str, **arguments: Any) -> AsyncIterator[Json]:
        """One request, many answers, until the daemon ends them; raises as `call` does."""
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._path), limit=wire.LINE_BYTES)
        except OSError as error:
            raise _unreachable() from error
        try:
            writer.write(wire.line({"op": op, **arguments}))
            while said := await reader.readline():
                answer = json.loads(said)
                if "error" in answer:
                    wire.raise_failure(answer)
                yield answer
        except (OSError, ValueError) as error:
            raise _unreachable() from error
        finally:
            writer.close()

    def _exchange(self, request: Json) -> Json:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(self._timeout_s)
            line.connect(str(self._path))
            line.sendall(wire.line(request))
            said = bytearray()
            while not said.endswith(b"\n"):
                chunk = line.recv(_CHUNK)
                if not chunk:
                    raise OSError("the host hung up")
                said += chunk
        answer: Json = json.loads(said)
        return answer


def _unreachable() -> BackendError:
    return BackendError("The sandbox host does not answer at the moment. It is tried again.", retryable=True)
