"""How much memory this machine has to give."""

from __future__ import annotations

from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
# What one kafka-1 takes, with its keeper and a program or two; and the share of all that is left alone.
ONE_MB = 160
LEFT_ALONE = 0.15


def room() -> int:
    """How many more sandboxes fit into what is free now."""
    known = _in_mb(_MEMINFO.read_text())
    free = known["MemAvailable"] - LEFT_ALONE * known["MemTotal"]
    return max(0, int(free // ONE_MB))


def _in_mb(text: str) -> dict[str, int]:
    """The kernel's table; its "kB" are KiB."""
    lines = (line.split() for line in text.splitlines())
    return {name.rstrip(":"): int(number) // 1024 for name, number, *_ in lines}
