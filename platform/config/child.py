"""One process of the site: started so that it cannot outlive us, its output kept in a log file."""

import asyncio
import contextlib
import ctypes
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.logfile import LogFile

_PR_SET_PDEATHSIG = 1  # prctl(2)
_LIBC = ctypes.CDLL(None)
_LONGEST_LINE = 1_000_000
_WORTH_SHOWING = re.compile(r"\b(WARNING|ERROR|CRITICAL)\b")
_SHOWN_PER_TEN_S = 5

Say = Callable[[str], None]
Ready = Callable[[], Awaitable[bool]]


async def at_once() -> bool:
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run.

    ready:   asked again and again after the start until it says yes; does not raise.
    grace_s: how long a SIGTERM may take before the SIGKILL.
    muted:   a line that contains one of these is dropped: it says nothing about our site.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path = Path("/")
    ready: Ready = at_once
    grace_s: float = 10
    muted: tuple[str, ...] = ()


class Child:
    """A running Program. `done` becomes the exit status (negative: the signal)."""

    def __init__(self, program: Program, log_dir: Path, say: Say) -> None:
        self.program = program
        self._log_path = log_dir / f"{program.name}.log"
        self._say = say
        self._tail: list[str] = []
        self._shown: list[float] = []
        self._process: asyncio.subprocess.Process | None = None
        self._pump: asyncio.Task[None] | None = None

    @property
    def pid(self) -> int:
        return self._process.pid if self._process else 0

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.returncode is None

    @property
    def last_words(self) -> str:
        """The last lines it printed, for whoever must explain why it ended."""
        return "\n".join(self._tail[-5:])

    async def start(self) -> None:
        parent = os.getpid()
        self._process = await asyncio.create_subprocess_exec(
            *self.program.argv,
            cwd=self.program.cwd,
            env={**os.environ, **self.program.env},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to pass on, in order
            preexec_fn=lambda: _die_with(parent),
        )
        self._pump = asyncio.create_task(self._keep_output())

    async def wait(self) -> int:
        """Until it has ended and its output is in the log."""
        assert self._process
        assert self._pump
        status = await self._process.wait()
        with contextlib.suppress(TimeoutError):  # a grandchild may hold the pipe open
            await asyncio.wait_for(asyncio.shield(self._pump), 1)
        return status

    async def stop(self) -> None:
        """SIGTERM, then SIGKILL when its grace is over."""
        if not self.alive:
            return
        self.send(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), self.program.grace_s)
        except TimeoutError:
            self._say(f"{self.program.name} did not stop in {self.program.grace_s:.0f} s and is killed.")
            self.send(signal.SIGKILL)
            await self.wait()

    def send(self, signum: int) -> None:
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signum)

    async def _keep_output(self) -> None:
        assert self._process
        assert self._process.stdout
        log, rest = LogFile(self._log_path), b""
        try:
            while chunk := await self._process.stdout.read(65536):
                *lines, rest = (rest + chunk).split(b"\n")
                log.write(b"".join(line + b"\n" for line in lines if self._look_at(line)))
                if len(rest) > _LONGEST_LINE:
                    log.write(rest)
                    rest = b""
            log.write(rest)
        finally:
            log.close()

    def _look_at(self, raw: bytes) -> bool:
        """Keep the last lines; show the alarming ones on the console, but never a flood of them."""
        line = raw.decode(errors="replace").rstrip()
        if any(muted in line for muted in self.program.muted):
            return False
        if line:
            self._tail = [*self._tail[-19:], line]
        if not _WORTH_SHOWING.search(line):
            return True
        now = time.monotonic()
        self._shown = [at for at in self._shown if now - at < 10]
        if len(self._shown) < _SHOWN_PER_TEN_S:
            self._shown.append(now)
            self._say(f"{self.program.name}: {line[:200]}")
        return True


def _die_with(parent: int) -> None:
    """In the child, before exec: be killed when the supervisor dies, even by SIGKILL."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we could ask
        os._exit(1)
