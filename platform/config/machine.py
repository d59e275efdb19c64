"""Figures about the site's own processes and its workers' pulse, read when Prometheus asks."""

import os
from collections.abc import Iterator
from pathlib import Path

from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import Metric

from config import heartbeat, paths

_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def collect() -> Iterator[Metric]:
    """All of them."""
    yield from _processes()
    age_s = heartbeat.age_s()
    if age_s is not None:
        yield Gauge(
            "millrace_worker_heartbeat_age_seconds",
            "Seconds since a worker executed a heartbeat task.",
            value=age_s,
        )


def _processes(folder: Path = paths.PIDS_DIR) -> Iterator[Metric]:
    """What each process of this machine's site has used; the sandboxes' own are not among them."""
    up = Gauge("millrace_process_up", "1 while the process is there.", labels=["process"])
    cpu = Counter("millrace_process_cpu_seconds", "Processor time used.", labels=["process"])
    memory = Gauge("millrace_process_resident_bytes", "Memory that is resident.", labels=["process"])
    files = Gauge("millrace_process_open_files", "Open file descriptors.", labels=["process"])
    for file in sorted(folder.glob("*")):
        try:
            ticks, pages, opened = _used(int(file.read_text()))
        except (OSError, ValueError, IndexError):
            up.add_metric([file.name], 0)
            continue
        up.add_metric([file.name], 1)
        cpu.add_metric([file.name], ticks / _TICK)
        memory.add_metric([file.name], pages * _PAGE)
        files.add_metric([file.name], opened)
    yield from (up, cpu, memory, files)


def _used(pid: int) -> tuple[int, int, int]:
    """Clock ticks, resident pages and open files; proc(5), fields 14, 15 and 24 of stat."""
    own = Path(f"/proc/{pid}")
    fields = (own / "stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12]), int(fields[21]), len(os.listdir(own / "fd"))  # noqa: PTH208
