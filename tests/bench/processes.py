"""What processes of this machine have used: CPU time to the nanosecond, memory by its share."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

_PROC = Path("/proc")
_SCHED = 2  # CPUCLOCK_SCHED of the kernel
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


def cpu_s(pids: Iterable[int]) -> float:
    """CPU time of these processes in seconds, with that of their threads that have ended."""
    return sum(map(_cpu_s, pids))


def _cpu_s(pid: int) -> float:
    """Their own clocks, to the nanosecond; /proc/PID/stat counts hundredths (clock_getcpuclockid(3))."""
    with contextlib.suppress(OSError):
        return time.clock_gettime((~pid << 3) | _SCHED)
    return 0.0


def pss_mb(pids: Iterable[int]) -> float:
    """Memory, that shared with others by share, megabytes (proc(5), smaps_rollup)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            found = _PSS.search((_PROC / str(pid) / "smaps_rollup").read_bytes())
            total += int(found.group(1)) if found else 0
    return total * 1024 / 1e6


def tree(root: int) -> list[int]:
    """A process and everything below it."""
    below: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit() and (parent := _parent(int(entry.name))):
            below.setdefault(parent, []).append(int(entry.name))
    found, left = [], [root]
    while left:
        pid = left.pop()
        found.append(pid)
        left += below.get(pid, [])
    return found


def _parent(pid: int) -> int:
    with contextlib.suppress(OSError, IndexError, ValueError):
        stat = (_PROC / str(pid) / "stat").read_text()
        return int(stat.rpartition(")")[2].split()[1])
    return 0


def command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def named(root: int, words: str) -> int:
    """The process below `root` whose command line has these words; LookupError when there is none."""
    for pid in tree(root):
        line = command(pid)
        if words in line and "bwrap" not in Path(line.split(" ")[0]).name:
            return pid
    raise LookupError(f"no process below {root} runs {words}")


def peers(port: int) -> set[int]:
    """The other ends' ports of the connections to a port of this machine that a process still holds: one that
    the kernel alone is still winding up belongs to nobody.
    """
    return {there for here, (_, there), inode in _connections() if here == port and inode} - {0}


def connections_to(pid: int, host: str, port: int) -> int:
    """How many connections a process has to an address."""
    wanted = (host, port)
    return len({inode for _, there, inode in _connections() if there == wanted} & _sockets(pid))


def _connections() -> Iterator[tuple[int, tuple[str, int], int]]:
    """Local port, remote address and inode of every TCP connection, IPv4 (proc(5), net/tcp)."""
    for line in (_PROC / "net" / "tcp").read_text().splitlines()[1:]:
        words = line.split()
        host, _, port = words[2].partition(":")
        address = socket.inet_ntoa(bytes.fromhex(host)[::-1])
        yield int(words[1].partition(":")[2], 16), (address, int(port, 16)), int(words[9])


def _sockets(pid: int) -> set[int]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in (_PROC / str(pid) / "fd").iterdir():
            with contextlib.suppress(OSError):
                name = str(entry.readlink())
                if name.startswith("socket:["):
                    found.add(int(name[8:-1]))
    return found
