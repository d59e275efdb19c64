"""A real sandbox host of a test's own: its directory, its lock, its daemon, all gone at the end.

    from tests.sandboxes.backends.local_host import LocalHost, running_host

    @pytest.fixture(scope="module")
    def host() -> Iterator[LocalHost]:
        with running_host() as host:
            yield host

    @pytest.mark.kafka
    def test_something(host: LocalHost) -> None:
        sandbox_id = host.start()              # a running kafka-1, about a second; asserts that it comes up
        endpoint = host.backend.observe(sandbox_id).endpoint
        Producer(endpoint.client_config()) ... # or host.backend.workspace(sandbox_id).write_file(...)

Needs what set-up makes (`make up` or `make test` made it): jars, template, cache, students' packages.
`host.backend` is an ordinary LocalBackend. To make Django code talk to it, point `paths.HOST_SOCKET` at
`host.socket` before the first `backend_for`, or build the LocalBackend with it.

Under root, `running_host(user=ORDINARY)` gives a daemon that has dropped to an ordinary user before it did
anything: the other way sandboxes are held.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from sandboxes.backends.base import BackendError, Observation, Phase, ProgramRun, Spec, Tier, Workspace
from sandboxes.backends.local.backend import LocalBackend
from tests.gates import logs

ROOT = Path(__file__).resolve().parents[3]
ORDINARY = 54321  # a user id nobody has
_START = """
import concurrent.futures.thread, encodings.idna, json, os, sys  # what is imported later, only root may read
from sandboxes.backends.local import host
settings = host.from_installation()
if "TEST_NO_NAMESPACES" in os.environ:  # a machine that forbids them, as containers and some kernels do
    import ctypes
    me, us = f"{os.getuid()} {os.getuid()} 1", f"{os.getgid()} {os.getgid()} 1"
    assert ctypes.CDLL(None).unshare(0x10000000) == 0, "no user namespace"
    for name, said in (("uid_map", me), ("setgroups", "deny"), ("gid_map", us)):
        open(f"/proc/self/{name}", "w").write(said)
    open("/proc/sys/user/max_user_namespaces", "w").write("0")
if "TEST_DISK" in os.environ:  # sandboxes on a small disk of their own, which only this process has
    import ctypes
    libc, mine = ctypes.CDLL(None, use_errno=True), f"{os.getuid()} {os.getuid()} 1"
    new_user = os.getuid() != 0
    assert libc.unshare(0x20000 | (0x10000000 if new_user else 0)) == 0, "no mount namespace"
    if new_user:
        open("/proc/self/uid_map", "w").write(mine)
    libc.mount(b"none", b"/", None, 0x84000, None)
    settings.sandbox_dir.mkdir(parents=True, exist_ok=True)
    where, how = os.fsencode(settings.sandbox_dir), os.environ["TEST_DISK"].encode()
    assert libc.mount(b"tmpfs", where, b"tmpfs", 0, how) == 0, os.strerror(ctypes.get_errno())
limits = host.Limits(**json.loads(sys.argv[2]))
user = int(sys.argv[1])
if user:
    os.setgroups([]); os.setgid(user); os.setuid(user)
host.main(settings, limits)
"""


class LocalHost:
    """One daemon with its directory. `restart` and `kill` are for tests of what outlives it."""

    def __init__(
        self,
        directory: Path,
        *,
        user: int = 0,
        environment: Mapping[str, str] | None = None,
        limits: Mapping[str, float] | None = None,
    ) -> None:
        self.directory, self.user = directory, user
        self.socket = directory / "run" / "host.sock"
        self.lock_file = directory / "site.lock"
        self.backend = LocalBackend(self.socket)
        self._environment = environment or {}
        self._limits = json.dumps(dict(limits or {}))
        self._lock = -1
        self._process: subprocess.Popen[bytes] | None = None
        self.hold_lock()

    @property
    def sandboxes(self) -> Path:
        """The sandboxes' folder; through the daemon's own view when it has a disk of its own."""
        own = "TEST_DISK" in self._environment
        top = Path(f"/proc/{self.pid}/root") if own else Path("/")
        return top / self.directory.relative_to("/") / "sandboxes"

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    @property
    def log(self) -> str:
        return (self.directory / "host.log").read_text()

    def hold_lock(self) -> None:
        """Be the site: sandboxes end 15 s after this lock has been let go."""
        self._lock = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.fcntl(
            self._lock, fcntl.F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        )

    def let_lock_go(self) -> None:
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def start_daemon(self) -> None:
        """Start the daemon and wait until it answers."""
        environment = {
            **os.environ,
            "MILLRACE_DATA": str(self.directory),
            "MILLRACE_CACHE": os.environ.get("MILLRACE_CACHE", str(ROOT / "var" / "cache")),
            "PYTHONPATH": os.pathsep.join((str(ROOT), str(ROOT / "platform"))),
            **self._environment,
        }
        with (self.directory / "host.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, str(self.user), self._limits],
                cwd="/",
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_until(self._answers, 60, lambda: f"the host does not answer:\n{self.log}")

    def _answers(self) -> bool:
        assert self._process
        assert self._process.poll() is None, f"the host ended:\n{self.log}"
        try:
            return bool(self.backend.tier())
        except BackendError:
            return False

    def end_daemon(self, number: int = signal.SIGTERM) -> None:
        """SIGTERM ends all sandboxes cleanly; SIGHUP and SIGKILL leave them running."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(60)

    def restart_daemon(self, number: int = signal.SIGKILL) -> None:
        self.end_daemon(number)
        self.start_daemon()

    def start(self, profile: str = "kafka-1") -> str:
        """A new running sandbox; its id."""
        sandbox_id = uuid.uuid4().hex
        self.backend.ensure(Spec(sandbox_id=sandbox_id, profile=profile))
        self.until_phase(sandbox_id, Phase.RUNNING)
        return sandbox_id

    def until_phase(self, sandbox_id: str, phase: Phase, *, within_s: float = 60) -> Observation:
        seen: list[Observation] = []

        def reached() -> bool:
            seen.append(self.backend.observe(sandbox_id))
            return seen[-1].phase is phase

        wait_until(reached, within_s, lambda: f"never {phase}: {seen[-1]}\n{self.log[-3000:]}")
        return seen[-1]

    def destroy(self, sandbox_id: str) -> None:
        self.backend.destroy(sandbox_id)
        self.until_phase(sandbox_id, Phase.ABSENT)

    def close(self) -> None:
        """Destroy what is left in it, then end it."""
        with contextlib.suppress(BackendError):
            for sandbox_id in self.backend.inventory():
                self.backend.destroy(sandbox_id)
            wait_until(lambda: not self.backend.inventory(), 60, lambda: "something is left over")
        self.end_daemon()
        self.let_lock_go()

    def keeper_pid(self, sandbox_id: str) -> int:
        """Process 1 of a sandbox, as this machine numbers it; 0 when there is none."""
        state = json.loads((self.sandboxes / sandbox_id / "state.json").read_text())
        pid: int = state["keeper_pid"]
        return pid


@contextlib.contextmanager
def running_host(
    *,
    user: int = 0,
    environment: Mapping[str, str] | None = None,
    limits: Mapping[str, float] | None = None,
    expect: Tier = Tier.STRONG,
) -> Iterator[LocalHost]:
    """A daemon that is answering; at the end every sandbox and directory of it is gone.

    limits: other values for fields of settings.Limits.
    """
    directory = Path(tempfile.mkdtemp(prefix="mr-host-"))
    if user:
        directory.chmod(0o755)
        os.chown(directory, user, user)
    host = LocalHost(directory, user=user, environment=environment, limits=limits)
    try:
        with logs.watched(directory / "host.log"), contextlib.closing(host):
            host.start_daemon()
            assert host.backend.tier() is expect, host.log
            yield host
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def run_program(
    workspace: Workspace,
    text: str,
    *,
    path: str = "program.py",
    args: tuple[str, ...] = (),
    within_s: float = 60,
) -> tuple[ProgramRun, str]:
    """Write a program, run it to its end; how it ended and what it printed."""
    workspace.write_file(path, text)
    run = workspace.start_program(path=path, args=args)
    ended = until_ended(workspace, run.program_id, within_s=within_s)
    return ended, output_of(workspace, run.program_id)


def until_ended(workspace: Workspace, program_id: str, *, within_s: float = 60) -> ProgramRun:
    found: list[ProgramRun] = []

    def ended() -> bool:
        found[:] = [run for run in workspace.programs() if run.program_id == program_id]
        return bool(found) and not found[0].running

    wait_until(ended, within_s, lambda: f"did not end: {found}")
    return found[0]


def output_of(workspace: Workspace, program_id: str) -> str:
    """Everything a program printed that is still remembered; for programs that have ended."""
    import asyncio

    async def collect() -> str:
        said = []
        async with contextlib.aclosing(workspace.follow(after=0)) as events:  # type: ignore[type-var]
            async for event in events:
                if event.program_id == program_id:
                    said.append(event.text)
                    if event.kind == "exit":
                        break
        return "".join(said)

    return asyncio.run(asyncio.wait_for(collect(), 60))


def wait_until(true: Callable[[], bool], within_s: float, otherwise: Callable[[], str]) -> None:
    until = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < until, otherwise()
        time.sleep(0.01)
