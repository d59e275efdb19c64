"""What this machine has and how much of it is taken: for clusters that run here."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from config import paths
from sandboxes.console import words
from sandboxes.models import Cluster

_MEMINFO = Path("/proc/meminfo")


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """Sizes in bytes; load: how many processes wanted a core, on average over the last minute."""

    memory_bytes: int
    memory_free: int
    disk_bytes: int
    disk_free: int
    cores: int
    load: float

    @property
    def free_memory(self) -> str:
        return words.size(self.memory_free)

    @property
    def all_memory(self) -> str:
        return words.size(self.memory_bytes)

    @property
    def free_disk(self) -> str:
        return words.size(self.disk_free)

    @property
    def all_disk(self) -> str:
        return words.size(self.disk_bytes)

    @property
    def is_short_of_memory(self) -> bool:
        return self.memory_free < self.memory_bytes * 0.1

    @property
    def is_short_of_disk(self) -> bool:
        return self.disk_free < self.disk_bytes * 0.05


def machine_of(cluster: Cluster) -> Machine | None:
    """None for a cluster that does not run here: of that machine we know nothing."""
    if (cluster.backend or settings.SANDBOX_BACKEND) != "local" or not _MEMINFO.exists():
        return None
    known = _in_bytes(_MEMINFO.read_text())
    disk = shutil.disk_usage(paths.DATA_DIR)
    return Machine(
        memory_bytes=known["MemTotal"],
        memory_free=known["MemAvailable"],
        disk_bytes=disk.total,
        disk_free=disk.free,
        cores=os.cpu_count() or 1,
        load=os.getloadavg()[0],
    )


def _in_bytes(text: str) -> dict[str, int]:
    """The kernel's table; its "kB" are KiB."""
    lines = (line.split() for line in text.splitlines())
    return {name.rstrip(":"): int(number) * 1024 for name, number, *_ in lines}
