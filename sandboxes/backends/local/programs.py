"""A student's programs in one sandbox: which run and which ran, started, held to their limits, ended."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import time
import uuid
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from sandboxes.backends.base import PROGRAMS_MAX, ProgramRun, WorkspaceError
from sandboxes.backends.local import bubblewrap, files, trees
from sandboxes.backends.local.bubblewrap import INSIDE_SITE, INSIDE_WORK, Inner, Mount, Parts
from sandboxes.backends.local.events import EventRing
from sandboxes.backends.local.history import History
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperLink, KeeperRefused
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.running import Running, outcome
from sandboxes.backends.local.settings import Limits
from sandboxes.backends.local.trees import Usage

_LOOK_S = 0.5
_REST = 5  # looking takes at most a sixth of a core, however many files there are
# A program may run in a workspace that holds so many times its limit, to tidy it up. Each gets the half
# second until it is looked at to add something, so there has to be an end.
_TIDIED = 64
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
        self._running: dict[str, Running] = {}

    def adopt(self) -> None:
        """After a host restart: programs ended with the old host, and their runs say so."""
        for run in self.history.runs():
            if run.running:
                self._ended(replace(run, ended_at=time.time(), reason="host_restart"))

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
        one = Running(program_id, self._limits, self._output_of(program_id))
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

    async def _watch(self, one: Running, room: Usage) -> None:
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

    def _room(self) -> Usage:
        """What the workspace may hold: its limit, or what it holds now, so that a program can tidy it up."""
        limits = self._limits
        most = Usage(_TIDIED * limits.work_bytes, _TIDIED * limits.work_files)
        now = trees.usage(self._home.work, most=most)
        if now.exceeds(most):
            raise WorkspaceError(
                "Your files take more room than a program may tidy up. Delete some in the list of files, or "
                "start over."
            )
        return Usage(max(limits.work_bytes, now.size), max(limits.work_files, now.files))

    def _is_over(self, room: Usage) -> tuple[bool, float]:
        """Whether there is more than may be, and the processor time it took to see; waiting is no work."""
        began = time.thread_time()
        try:
            is_over = trees.usage(self._home.work, most=room).exceeds(room)
        except OSError:  # who hides from the count is taken to hold too much
            is_over = True
        return is_over, time.thread_time() - began

    def _finish(self, one: Running, last_words: str) -> None:
        self._running.pop(one.program_id, None)
        one.drain()
        one.close()
        run = self.history.get(one.program_id)
        if run:
            self._ended(outcome(replace(run, ended_at=time.time()), last_words, one.reason))

    def _ended(self, run: ProgramRun) -> None:
        self.history.put(run)
        self.ring.add(run.program_id, "exit", run=run)
