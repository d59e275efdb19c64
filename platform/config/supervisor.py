"""Runs the site's processes: starts them in order, restarts what crashes or is stuck, stops all in order.

Groups start one after the other, each when the one before answers; inside a group all start at once. When we
are killed, the kernel kills the children (PR_SET_PDEATHSIG) and the sandboxes' keepers see the site's lock
let go, so nothing stays behind.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from config.child import Child, Program, Ready, Say
from config.stuck import Patience

_READY_WITHIN_S = 60
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30
# A process that lived this long did not crash on start; its next pause is short again.
_SETTLED_S = 60
_LOOK_S = 5.0

Groups = Sequence[Sequence[Program]]
Prepare = Callable[[], Awaitable[None]]


class StartFault(Exception):
    """A process did not come up; the sentence names it, `last_words` is what it printed last."""

    def __init__(self, name: str, last_words: str) -> None:
        super().__init__(f"The {name} process did not start.")
        self.name = name
        self.last_words = last_words


class Supervisor:
    """One run of the site. `run` returns when all is stopped; raises StartFault, and what `prepare` raises.

    run_dir: gets a file with the id of each process in pids/; what dead ones measured in metrics/ is tidied.
    pulse:   touched by whatever work is executed, while `leans_on` answers: see config.stuck.
    """

    def __init__(
        self,
        groups: Groups,
        *,
        log_dir: Path,
        run_dir: Path,
        say: Say,
        on_ready: Callable[[], None],
        pulse: Path | None = None,
        leans_on: Ready | None = None,
    ) -> None:
        self._groups = groups
        self._log_dir, self._run_dir = log_dir, run_dir
        self._say = say
        self._on_ready = on_ready
        self._pulse, self._leans_on = pulse, leans_on
        self._stopping = asyncio.Event()
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def run(self, prepare: Prepare | None = None, *, meanwhile: int = 0) -> None:
        """meanwhile: how many of the groups may be started while `prepare` is at work."""
        self._listen_for_signals()
        self._tidy()
        try:
            await self._start_all(prepare or _nothing, meanwhile)
            if not self._stopping.is_set():
                self._on_ready()
                self._keepers.append(asyncio.create_task(self._watch_the_pulse()))
            await self._stopping.wait()
        finally:
            await self._stop_all()

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._asked_to_stop)

    def _tidy(self) -> None:
        """Forget the processes and figures of an earlier run."""
        self._run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in ("pids", "metrics"):
            shutil.rmtree(self._run_dir / name, ignore_errors=True)
            (self._run_dir / name).mkdir()
        if self._pulse:
            self._pulse.unlink(missing_ok=True)

    def _asked_to_stop(self) -> None:
        """The first time in order, the second time at once."""
        if not self._stopping.is_set():
            self._say("Stopping. Press Ctrl-C again to end everything at once.")
            self._stopping.set()
            return
        for child in self._children.values():
            child.send(signal.SIGKILL)

    # -- starting ------------------------------------------------------------------------------------------

    async def _start_all(self, prepare: Prepare, meanwhile: int) -> None:
        preparing = asyncio.ensure_future(prepare())
        try:
            for number, group in enumerate(self._groups):
                if number == meanwhile:
                    await self._unless_stopped(preparing)
                if self._stopping.is_set():
                    return
                await self._start_group(group)
            await self._unless_stopped(preparing)
        finally:
            preparing.cancel()
            await asyncio.gather(preparing, return_exceptions=True)

    async def _unless_stopped(self, work: asyncio.Future[None]) -> None:
        """Until the work is done, or somebody wants everything to stop; raises what the work raised."""
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if work.done():
            work.result()

    async def _start_group(self, group: Sequence[Program]) -> None:
        for program in group:
            await self._start(program)
        for program in group:
            await self._until_ready(program)
        self._keepers += [asyncio.create_task(self._keep(program)) for program in group]

    async def _start(self, program: Program) -> None:
        child = Child(program, self._log_dir, self._say)
        await child.start()
        self._children[program.name] = child
        with contextlib.suppress(OSError):  # it runs; on a full disk only who asks for its id has to guess
            (self._run_dir / "pids" / program.name).write_text(f"{child.pid}\n")

    async def _until_ready(self, program: Program) -> None:
        """Wait for its yes; a process that ends before, or never answers, stops the whole start."""
        until = time.monotonic() + _READY_WITHIN_S
        first = self._children[program.name]
        while not self._stopping.is_set():
            if await program.ready():
                return
            if not first.alive or time.monotonic() > until:
                await asyncio.sleep(0.1)  # its last lines are still on their way
                raise StartFault(program.name, first.last_words)
            await asyncio.sleep(0.02)

    # -- keeping -------------------------------------------------------------------------------------------

    async def _keep(self, program: Program) -> None:
        """Restart one program for as long as the site runs, with growing pauses."""
        pause = _FIRST_PAUSE_S
        while True:
            started, child = time.monotonic(), self._children[program.name]
            status = await child.wait()
            if self._stopping.is_set():
                return
            self._forget_figures(child.pid)
            lived = time.monotonic() - started
            pause = _FIRST_PAUSE_S if lived > _SETTLED_S else min(pause * 2, _LONGEST_PAUSE_S)
            self._say(f"{program.name} ended ({_why(status)}) and is started again in {pause:.0f} s.")
            await self._pause(pause)
            while not self._stopping.is_set() and not await self._started_again(program):
                pause = min(pause * 2, _LONGEST_PAUSE_S)
                await self._pause(pause)
            if self._stopping.is_set():
                return

    async def _started_again(self, program: Program) -> bool:
        """False when the machine has no process, memory or file left for it at the moment."""
        try:
            await self._start(program)
        except (OSError, subprocess.SubprocessError) as error:
            self._say(f"{program.name} cannot be started now ({error}). It is tried again.")
            return False
        return True

    def _forget_figures(self, pid: int) -> None:
        """What it counted stays counted; what it had at the moment (its viewers, say) it has no more."""
        for file in (self._run_dir / "metrics").glob(f"gauge_live*_{pid}.db"):
            file.unlink(missing_ok=True)

    async def _watch_the_pulse(self) -> None:
        """Start again whoever keeps work from being done."""
        if self._pulse is None or self._leans_on is None:
            return
        patience = Patience(since=time.monotonic())
        while not self._stopping.is_set():
            await self._pause(_LOOK_S)
            redis = await self._leans_on()
            name = patience.look(time.monotonic(), pulse=_changed_at(self._pulse), redis=redis)
            if name in self._children and not self._stopping.is_set():
                self._say(f"No task has been executed for a while, so {name} is started again.")
                await self._children[name].stop()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    # -- stopping ------------------------------------------------------------------------------------------

    async def _stop_all(self) -> None:
        """Last started, first stopped: nothing loses what it leans on."""
        self._stopping.set()
        for group in reversed(self._groups):
            children = [self._children[program.name] for program in group if program.name in self._children]
            await asyncio.gather(*(child.stop() for child in children))
        await asyncio.gather(*self._keepers, return_exceptions=True)


async def _nothing() -> None:
    return


def _changed_at(file: Path) -> float | None:
    try:
        return os.stat(file).st_mtime  # noqa: PTH116
    except OSError:
        return None


def _why(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"
