"""One live program: the pipe it prints into, and the line to its launcher."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
import socket
import time
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

from sandboxes.backends.base import ProgramRun
from sandboxes.backends.local import bubblewrap
from sandboxes.backends.local.keeper_link import KeeperLink
from sandboxes.backends.local.seccomp_file import filter_descriptor
from sandboxes.backends.local.settings import Limits

_CHUNK = 65536
_PAUSE_S = 0.015  # between two reads of one program's output: at most ~65 events a second


class Running:
    """From its start until both ends are closed.

    say: what it prints, as text in pieces; over_limit: it printed more than it may; over: set by `close`.
    """

    def __init__(self, program_id: str, limits: Limits, say: Callable[[str], None]) -> None:
        self.program_id = program_id
        self.name = f"p-{program_id}"
        self.started = time.monotonic()
        self.asked_at = 0.0
        self.reason = ""
        self.over_limit = False
        self.over = asyncio.Event()
        self._limits, self._say = limits, say
        self._left = limits.program_output
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._loop = asyncio.get_running_loop()
        self._output, self._output_in = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(self._output_in, True)
        self._control, self._control_in = socket.socketpair()
        self._control.setblocking(False)
        self._task: asyncio.Task[None] | None = None

    async def spawn(self, link: KeeperLink, argv: list[str]) -> None:
        nothing = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        filtering = filter_descriptor()
        out = self._output_in
        request = {
            "op": "spawn",
            "name": self.name,
            "argv": argv,
            "env": bubblewrap.environment(),
            "targets": [0, 1, 2, bubblewrap.CONTROL_FD, bubblewrap.SECCOMP_FD],
            "rss": self._limits.program_rss,
            "unlinked": self._limits.work_bytes,
            "guest": True,
        }
        try:
            await link.ask(request, [nothing, out, out, self._control_in.fileno(), filtering])
        finally:
            os.close(nothing)
            os.close(filtering)
            os.close(self._output_in)
            self._output_in = -1
            self._control_in.close()

    def begin(self, watching: Coroutine[Any, Any, None]) -> None:
        self._loop.add_reader(self._output, self._readable)
        self._task = asyncio.create_task(watching)

    def ask_to_end(self, reason: str) -> None:
        """SIGTERM through the launcher; the watch kills what does not heed it."""
        self.reason = self.reason or reason
        self.asked_at = self.asked_at or time.monotonic()
        with contextlib.suppress(OSError):
            self._control.send(b"T")

    def last_words(self) -> str:
        with contextlib.suppress(OSError, ValueError):
            return self._control.recv(64).decode("ascii", "replace")
        return ""

    def drain(self) -> None:
        """Take what is still in the pipe; it may be held open by nobody now."""
        while self._output >= 0 and self._take():
            pass
        if tail := self._decoder.decode(b"", final=True):
            self._say(tail)

    def close(self) -> None:
        if self._task:
            self._task.cancel()
        if self._output >= 0:
            self._loop.remove_reader(self._output)
            os.close(self._output)
            self._output = -1
        if self._output_in >= 0:
            os.close(self._output_in)
            self._output_in = -1
        self._control.close()
        self._control_in.close()
        self.over.set()

    def _readable(self) -> None:
        self._loop.remove_reader(self._output)
        if self._take() and not self.over_limit:
            self._loop.call_later(_PAUSE_S, self._listen_again)

    def _listen_again(self) -> None:
        if self._output >= 0:
            self._loop.add_reader(self._output, self._readable)

    def _take(self) -> bool:
        """One read; False at the end, when nothing is there, or when the program has said too much."""
        try:
            chunk = os.read(self._output, min(_CHUNK, self._left + 1))
        except OSError:
            return False
        if len(chunk) > self._left:
            chunk, self.over_limit = chunk[: self._left], True
        self._left -= len(chunk)
        if text := self._decoder.decode(chunk):
            self._say(text)
        return bool(chunk) and not self.over_limit


def outcome(run: ProgramRun, last_words: str, reason: str) -> ProgramRun:
    """How it ended, from what the launcher said; it says nothing when it was killed itself."""
    what, _, number = last_words.partition(" ")
    if what == "exit":
        return replace(run, exit_code=int(number), reason=reason)
    code = int(number) if what == "signal" else signal.SIGKILL
    if code == signal.SIGXCPU and not reason:
        reason = "cpu"
    return replace(run, signal=int(code), reason=reason)
