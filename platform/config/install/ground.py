"""Looks at the machine before anything is installed or started; every fault is a sentence and a next step."""

import ctypes
import errno
import importlib.util
import os
import platform
import shutil
import socket
import stat
import sys
from collections.abc import Callable
from pathlib import Path

from config import paths
from config.install.faults import SetupFault
from config.install.interpreter import closed_folders

# Measured with Node from its wheel: packages 0.6 GB, Kafka 0.05, JVM cache 0.07, Node 0.2; the rest is room.
SPACE_NEEDED = 1_500_000_000
_SANDBOX_USERS = "You are root, so each sandbox runs as a user of its own, and other users"
_CLONE_NEWNS = 0x00020000  # unshare(2)
_MACHINES = {"x86_64", "amd64", "aarch64", "arm64"}

FreeSpace = Callable[[Path], int]


def check_platform(system: str = sys.platform, machine: str | None = None) -> None:
    """Sandboxes stand on Linux namespaces, and the packages come as wheels for two processor families."""
    if system != "linux":
        raise SetupFault(
            "Millrace runs on Linux only: its sandboxes are made of Linux namespaces.",
            "Use a Linux machine, a virtual machine, or WSL 2.",
        )
    if (machine or platform.machine()).lower() not in _MACHINES:
        raise SetupFault(
            f"There are no packages for this processor ({machine or platform.machine()}).",
            "Use an x86-64 or 64-bit ARM machine.",
        )


def check_venv(find: Callable[[str], object] = importlib.util.find_spec) -> None:
    """Debian and Ubuntu ship Python without the parts that make environments."""
    if all(find(module) for module in ("venv", "ensurepip")):
        return
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    raise SetupFault(
        "This Python cannot make virtual environments: its venv or ensurepip module is missing.",
        f"Install it (Debian and Ubuntu: apt install python{version}-venv), then run the same command again.",
    )


def _free_space(folder: Path) -> int:
    return shutil.disk_usage(folder).free


def check_disk(folder: Path, *, needed: int = SPACE_NEEDED, free: FreeSpace = _free_space) -> None:
    """Whether set-up fits below `folder`, which need not exist yet. Sizes in bytes."""
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    room = free(existing)
    if room < needed:
        raise SetupFault(
            f"Set-up needs {needed / 1e9:.1f} GB on the disk of {existing}; {room / 1e9:.1f} GB are free.",
            "Free some space, or put the project on a larger disk, then run the same command again.",
        )


def may_mount() -> bool:
    """Whether this process may make mounts of its own: how the host reaches into private folders."""
    child = os.fork()
    if child == 0:
        os._exit(1 if ctypes.CDLL(None).unshare(_CLONE_NEWNS) else 0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def check_reach(folder: Path, *, uid: int | None = None, mounts: Callable[[], bool] = may_mount) -> None:
    """As root, each sandbox runs under a user of its own, who must reach `folder` somehow."""
    shut = closed_folders(folder / "what is in it")
    if not shut or not _is_root(uid) or mounts():
        return
    raise SetupFault(
        f"{_SANDBOX_USERS} cannot enter {shut[0]}.",
        f"Move the project, to /srv/millrace say, or run as an ordinary user, or: chmod o+x {shut[0]}",
    )


def check_readable(file: Path, *, uid: int | None = None) -> None:
    """A checkout made under a strict umask hides our own files from the sandboxes' users."""
    if _is_root(uid) and not file.stat().st_mode & stat.S_IROTH:
        raise SetupFault(f"{_SANDBOX_USERS} cannot read {file}.", f"Run: chmod -R o+rX {file.parent}")


def _is_root(uid: int | None) -> bool:
    return (os.geteuid() if uid is None else uid) == 0


def check_port(host: str, port: int) -> None:
    """Whether the site's address is free; a probe bind that is let go at once."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise _port_fault(host, port, error) from None


def _port_fault(host: str, port: int, error: OSError) -> SetupFault:
    if error.errno == errno.EADDRINUSE:
        return SetupFault(
            f"Port {port} is in use by another program.",
            f"Stop that program, or choose another port: make up PORT={port + 1}",
        )
    if error.errno == errno.EACCES:
        return SetupFault(
            f"You may not listen on port {port}.", f"Choose one above 1023: make up PORT={port + 8000}"
        )
    return SetupFault(
        f"The site cannot listen on {host}.", "Set BIND to an address of this machine, say 127.0.0.1."
    )


def check_all() -> None:
    """Everything that can be known before installing; raises the first fault."""
    check_platform()
    check_venv()
    for folder in {paths.BASE_DIR, paths.DATA_DIR, paths.CACHE_DIR}:
        check_reach(folder)
    check_readable(paths.BASE_DIR / "manage.py")
