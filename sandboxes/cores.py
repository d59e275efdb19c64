"""How many cores this process may keep busy: not always all that the machine has."""

import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")


@cache
def usable_cores() -> int:
    """Those it may run on (taskset, cpuset), and no more than its control group's quota, rounded up."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # only Linux knows
        allowed = os.cpu_count() or 1
    return max(1, min([allowed, *_quotas()]))


def _quotas(groups: Path = _GROUPS, own: Path = _OWN) -> Iterator[int]:
    """Of its own group and all that this lies in: cgroups(7), cpu.max of version 2 and cpu.cfs_* of 1."""
    for group in _groups(groups, own):
        words = _words(group / "cpu.max") or [
            *_words(group / "cpu.cfs_quota_us"),
            *_words(group / "cpu.cfs_period_us"),
        ]
        if len(words) == 2 and words[0].isdigit() and int(words[1]) > 0:
            yield max(1, -(-int(words[0]) // int(words[1])))


def _groups(groups: Path, own: Path) -> Iterator[Path]:
    """A container may see its own group as the root of all, or by the name that the machine gave it."""
    for line in own.read_text().splitlines() if own.exists() else ():
        _, controllers, name = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = groups / controllers if controllers else groups
        place = root / name.lstrip("/")
        yield from (place, *(parent for parent in place.parents if parent.is_relative_to(root)))


def _words(file: Path) -> list[str]:
    try:
        return file.read_text().split()
    except OSError:
        return []
