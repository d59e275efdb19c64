"""Runs the site's processes: starts them in order, restarts what crashes, stops all in order.

Groups start one after the other, each when the one before answers; inside a group all start at once. When we
are killed, the kernel kills the children (PR_SET_PDEATHSIG) and the sandboxes' keepers see the site's lock
let go, so nothing stays behind.
"""

import asyncio
import contextlib
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from config.child import Child, Program, Say

_READY_WITHIN_S = 60
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30
# A process that lived this long did not crash on start; its next pause is short again.
_SETTLED_S = 60

Groups = Sequence[Sequence[Program]]


class StartFault(Exception):
    """A process did not come up; the sentence names it, `last_words` is what it printed last."""

    def __init__(self, name: str, last_words: str) -> None:
        super().__init__(f"The {name} process did not start.")
        self.name = name
        self.last_words = last_words


class Supervisor:
    """One run of the site. `run` returns when all is stopped; raises StartFault."""

    def __init__(self, groups: Groups, *, log_dir: Path, say: Say, on_ready: Callable[[], None]) -> None:
        self._groups = groups
        self._log_dir = log_dir
        self._say = say
        self._on_ready = on_ready
        self._stopping = asyncio.Event()
        self._children: dict[str, Child] = {}
        self._keepers: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        self._listen_for_signals()
        try:
            await self._start_all()
            if not self._stopping.is_set():
                self._on_ready()
            await self._stopping.wait()
        finally:
            await self._stop_all()

    def _listen_for_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(signum, self._asked_to_stop)

    def _asked_to_stop(self) -> None:
        """The first time in order, the second time at once."""
        if not self._stopping.is_set():
            self._say("Stopping. Press Ctrl-C again to end everything at once.")
            self._stopping.set()
            return
        for child in self._children.values():
            child.send(signal.SIGKILL)

    async def _start_all(self) -> None:
        for group in self._groups:
            for program in group:
                await self._start(program)
            for program in group:
                await self._until_ready(program)
            if self._stopping.is_set():
                return
            self._keepers += [asyncio.create_task(self._keep(program)) for program in group]

    async def _start(self, program: Program) -> None:
        child = Child(program, self._log_dir, self._say)
        self._children[program.name] = child
        await child.start()

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
            await asyncio.sleep(0.05)

    async def _keep(self, program: Program) -> None:
        """Restart one program for as long as the site runs, with growing pauses."""
        pause = _FIRST_PAUSE_S
        while True:
            started = time.monotonic()
            status = await self._children[program.name].wait()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - started
            pause = _FIRST_PAUSE_S if lived > _SETTLED_S else min(pause * 2, _LONGEST_PAUSE_S)
            self._say(f"{program.name} ended ({_why(status)}) and is started again in {pause:.0f} s.")
            await self._pause(pause)
            if self._stopping.is_set():
                return
            child = Child(program, self._log_dir, self._say)
            self._children[program.name] = child
            await child.start()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)

    async def _stop_all(self) -> None:
        """Last started, first stopped: nothing loses what it leans on."""
        self._stopping.set()
        for group in reversed(self._groups):
            children = [self._children[program.name] for program in group if program.name in self._children]
            await asyncio.gather(*(child.stop() for child in children))
        await asyncio.gather(*self._keepers, return_exceptions=True)


def _why(status: int) -> str:
    if status < 0:
        with contextlib.suppress(ValueError):
            return signal.Signals(-status).name
    return f"exit status {status}"
