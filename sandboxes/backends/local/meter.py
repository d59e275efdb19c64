"""What the sandboxes of this machine use: memory, processor time, processes. Read from /proc.

One look serves all sandboxes. Memory is the proportional set size, which shares what brokers have in common
fairly between them; the kernel adds it up page by page, so a look is kept for a while, and longer when it was
dear.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sandboxes.backends.base import Usage

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)
_KEPT_S = 5.0
_KEPT_LONGEST_S = 10.0
_REST = 50  # looking takes at most a fiftieth of a core


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table. cpu_s: its own and that of its children that have ended."""

    pid: int
    parent: int
    cpu_s: float


class Meter:
    """Asked by everybody, looks only when what it knows is old."""

    def __init__(self) -> None:
        self._known: dict[int, Usage] = {}
        self._lost_s: dict[int, float] = {}
        self._stale_at = 0.0
        self._looking = asyncio.Lock()

    async def read(self, roots: Iterable[int]) -> Mapping[int, Usage]:
        """By process 1 of each sandbox, what all below it use; those that have gone are missing."""
        wanted = frozenset(roots)
        async with self._looking:
            now = time.monotonic()
            if now >= self._stale_at:
                self._take(await asyncio.to_thread(look, wanted))
                took = time.monotonic() - now
                self._stale_at = now + min(max(_KEPT_S, _REST * took), _KEPT_LONGEST_S)
            return {root: used for root, used in self._known.items() if root in wanted}

    def _take(self, seen: dict[int, Usage]) -> None:
        """The kernel forgets the time of processes that end with their pid namespace; we do not."""
        lost = {root: self._lost_s.get(root, 0.0) for root in seen}
        for root, used in seen.items():
            counted = used.cpu_s + lost[root]
            if root in self._known:
                lost[root] += max(0.0, self._known[root].cpu_s - counted)
        self._lost_s = lost
        self._known = {root: replace(used, cpu_s=used.cpu_s + lost[root]) for root, used in seen.items()}


def look(roots: Iterable[int]) -> dict[int, Usage]:
    """All at once: one pass over the process table, then the memory of those that belong to a root."""
    table = {one.pid: one for one in processes()}
    children: dict[int, list[Process]] = {}
    for one in table.values():
        children.setdefault(one.parent, []).append(one)
    return {root: _used(_tree(table[root], children)) for root in roots if root in table}


def processes() -> Iterable[Process]:
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                yield _process(int(entry.name))


def _process(pid: int) -> Process:
    """Fields 4 and 14 to 17 of stat (proc(5)); the name before them may hold anything."""
    fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    return Process(pid, int(fields[1]), sum(map(int, fields[11:15])) / _TICKS)


def _tree(root: Process, children: Mapping[int, list[Process]]) -> list[Process]:
    found = [root]
    for one in found:
        found += children.get(one.pid, ())
    return found


def _used(family: list[Process]) -> Usage:
    return Usage(
        memory_bytes=sum(memory_bytes(one.pid) for one in family),
        cpu_s=round(sum(one.cpu_s for one in family), 2),
        disk_bytes=0,
        processes=len(family),
    )


def memory_bytes(pid: int) -> int:
    """Its share of what it holds, or all that is resident where the kernel does not tell; 0 when gone."""
    try:
        found = _PSS.search((_PROC / str(pid) / "smaps_rollup").read_bytes())
        return int(found.group(1)) * 1024 if found else 0
    except PermissionError:
        return _resident_bytes(pid)
    except OSError:
        return 0


def _resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        return int((_PROC / str(pid) / "statm").read_bytes().split()[1]) * _PAGE
    return 0
