"""A student's programs in one sandbox: start, watch, end, and what they print."""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from sandboxes.backends.base import PROGRAMS_MAX, ProgramRun, WorkspaceError
from sandboxes.backends.local import bubblewrap, files
from sandboxes.backends.local.bubblewrap import INSIDE_SITE, INSIDE_WORK, Inner, Mount, Parts
from sandboxes.backends.local.events import EventRing
from sandboxes.backends.local.history import History
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperLink, KeeperRefused
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.seccomp_file import filter_descriptor
from sandboxes.backends.local.settings import Limits

_CHUNK = 65536
_PAUSE_S = 0.015  # between two reads of one program's output: at most ~65 events a second
_LOOK_S = 0.5
_REST = 5  # looking takes at most a sixth of a core, however many files there are
_COUNTED_BYTES, _COUNTED_FILES = 1 << 40, 1_000_000
ARGUMENTS_MAX = 20
ARGUMENT_CHARS = 500


class Programs:
    """All programs of one sandbox, running or not.

    link: gives the line to the keeper, or None while the sandbox is not up.
    """

    def __init__(
        self,
        *,
        home: Home,
        parts: Parts,
        limits: Limits,
        ring: EventRing,
        link: Callable[[], KeeperLink | None],
    ) -> None:
        self._home, self._parts, self._limits = home, parts, limits
        self._link = link
        self.ring = ring
        self.history = History(home.history)
        self._running: dict[str, _Running] = {}

    def adopt(self) -> None:
        """After a host restart: programs ended with the old host, and their runs say so."""
        for run in self.history.runs():
            if run.running:
                self._ended(replace(run, ended_at=time.time(), reason="host_restart"))

    @property
    def any_running(self) -> bool:
        return bool(self._running)

    async def start(self, *, path: str, args: tuple[str, ...], label: str) -> ProgramRun:
        """Run a Python file; raises WorkspaceError with a sentence for the student."""
        link = self._link()
        if link is None:
            raise WorkspaceError(
                "Your sandbox is not running. Press Start, then run it again.", retryable=True
            )
        room = await asyncio.to_thread(self._room)  # before it could fill any
        self._check(path, args)
        program_id = uuid.uuid4().hex
        run = ProgramRun(
            program_id=program_id, path=path, args=args, label=label[:80], started_at=time.time()
        )
        one = _Running(program_id, self._limits, self._output_of(program_id))
        self._running[program_id] = one
        try:
            await one.spawn(link, bubblewrap.inner(self._parts, self._inner(path, args)))
        except (KeeperGone, KeeperRefused, OSError) as error:
            self._running.pop(program_id, None)
            one.close()
            raise WorkspaceError(
                "The program could not be started. Try again in a moment.", retryable=True
            ) from error
        self.history.put(run)
        self.ring.add(program_id, "start", run=run)
        one.begin(self._watch(one, room))
        return run

    def stop(self, program_id: str) -> None:
        if one := self._running.get(program_id):
            one.ask_to_end("stopped")

    async def kill(self, program_id: str, reason: str = "killed") -> None:
        one, link = self._running.get(program_id), self._link()
        if one and link:
            one.reason = one.reason or reason
            with contextlib.suppress(KeeperGone, KeeperRefused):
                await link.ask({"op": "signal", "name": one.name, "signal": signal.SIGKILL})

    async def end_all(self, reason: str) -> None:
        """Ask every program to end and wait until all have, which the time for stopping bounds."""
        ending = list(self._running.values())
        for one in ending:
            one.ask_to_end(reason)
        waiting = [one.over.wait() for one in ending]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.program_stop_s + 2):
                await asyncio.gather(*waiting)

    def lost(self) -> None:
        """The keeper has gone, and with it every program."""
        for one in list(self._running.values()):
            one.reason = one.reason or "sandbox_ended"
            self._finish(one, "")

    def exited(self, name: str, reason: str) -> None:
        """The keeper says that a program's processes have gone."""
        for one in list(self._running.values()):
            if one.name == name:
                one.reason = one.reason or reason
                self._finish(one, one.last_words())

    def _check(self, path: str, args: tuple[str, ...]) -> None:
        files.read_file(self._home.work, path)
        if not path.endswith(".py"):
            raise WorkspaceError("Only Python files can be run. Open a file that ends in .py.")
        if len(args) > ARGUMENTS_MAX or any(len(one) > ARGUMENT_CHARS or "\0" in one for one in args):
            raise WorkspaceError("These arguments are too long. Shorten them and run it again.")
        if len(self._running) >= PROGRAMS_MAX:
            raise WorkspaceError(f"{PROGRAMS_MAX} programs are running. Stop one, then run this one again.")

    def _inner(self, path: str, args: tuple[str, ...]) -> Inner:
        file = PurePosixPath(INSIDE_WORK) / path
        limits = self._limits
        return Inner(
            mounts=(
                Mount(INSIDE_SITE, INSIDE_SITE),
                Mount(INSIDE_WORK, INSIDE_WORK, writable=True),
            ),
            environment={
                "PATH": "/usr/bin:/bin",
                "HOME": "/tmp",  # noqa: S108 - the sandbox's own
                "LANG": "C.UTF-8",
                "PYTHONPATH": INSIDE_SITE,
                "PYTHONUNBUFFERED": "1",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONNOUSERSITE": "1",
            },
            limits={
                "nproc": limits.processes,
                "data": limits.program_data,
                "stack": bubblewrap.MIB * 8,
                "fsize": limits.program_file,
                "nofile": limits.program_files,
                "cpu": limits.program_cpu_s,
                "core": 0,
            },
            directory=str(file.parent),
            command=(self._parts.interpreter.inside, file.name, *args),
            own_pids=True,
            control=True,
            scratch=True,
        )

    def _output_of(self, program_id: str) -> Callable[[str], None]:
        return lambda text: self.ring.add(program_id, "output", text=text)

    async def _watch(self, one: _Running, room: files.Usage) -> None:
        """Hold the limits only the host can see; and SIGKILL what did not heed SIGTERM."""
        limits = self._limits
        pause_s = _LOOK_S
        while True:
            await asyncio.sleep(0.1 if one.asked_at or one.over_limit else pause_s)
            now = time.monotonic()
            if one.over_limit:
                await self.kill(one.program_id, "output")
            elif one.asked_at and now - one.asked_at > limits.program_stop_s:
                await self.kill(one.program_id)
            elif now - one.started > limits.program_wall_s:
                await self.kill(one.program_id, "time")
            else:
                is_over, used_s = await asyncio.to_thread(self._is_over, room)
                if is_over:
                    await self.kill(one.program_id, "disk")
                pause_s = max(_LOOK_S, _REST * used_s)

    def _room(self) -> files.Usage:
        """What the workspace may hold: its limit, or what it holds now, so that a program can tidy it up."""
        limits = self._limits
        now = files.usage(self._home.work, most=files.Usage(_COUNTED_BYTES, _COUNTED_FILES))
        return files.Usage(max(limits.work_bytes, now.size), max(limits.work_files, now.files))

    def _is_over(self, room: files.Usage) -> tuple[bool, float]:
        """Whether there is more than may be, and the processor time it took to see; waiting is no work."""
        began = time.thread_time()
        now = files.usage(self._home.work, most=room)
        return now.size > room.size or now.files > room.files, time.thread_time() - began

    def _finish(self, one: _Running, last_words: str) -> None:
        self._running.pop(one.program_id, None)
        one.drain()
        one.close()
        run = self.history.get(one.program_id)
        if run:
            self._ended(_outcome(replace(run, ended_at=time.time()), last_words, one.reason))

    def _ended(self, run: ProgramRun) -> None:
        self.history.put(run)
        self.ring.add(run.program_id, "exit", run=run)


def _outcome(run: ProgramRun, last_words: str, reason: str) -> ProgramRun:
    """How it ended, from what the launcher said; it says nothing when it was killed itself."""
    what, _, number = last_words.partition(" ")
    if what == "exit":
        return replace(run, exit_code=int(number), reason=reason)
    code = int(number) if what == "signal" else signal.SIGKILL
    if code == signal.SIGXCPU and not reason:
        reason = "cpu"
    return replace(run, signal=int(code), reason=reason)


class _Running:
    """One live program: its output pipe and its launcher's control socket."""

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
