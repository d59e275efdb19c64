"""Where things live on this machine: plain constants, no Django, so that every process may read them.

MILLRACE_DATA names the one directory that holds everything an installation owns; the rest follows from it.
"""

import hashlib
import os
import tempfile
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parents[2]
DATA_DIR = Path(os.environ.get("MILLRACE_DATA", BASE_DIR / "var")).resolve()

# A unix socket's path holds 107 bytes (sun_path in unix(7)); the longest name we add is about 60.
_SOCKET_ROOM = 45


def _run_dir(data_dir: Path) -> Path:
    """The directory for sockets: inside the data directory, or a short private one when that is too deep."""
    run_dir = data_dir / "run"
    if len(os.fsencode(run_dir)) <= _SOCKET_ROOM:
        return run_dir
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:10]
    return Path(tempfile.gettempdir()) / f"millrace-{os.getuid()}-{digest}"


RUN_DIR = _run_dir(DATA_DIR)
LOG_DIR = DATA_DIR / "log"
SANDBOX_DIR = DATA_DIR / "sandboxes"
SITE_LOCK = DATA_DIR / "site.lock"
VALKEY_SOCKET = RUN_DIR / "valkey.sock"
HOST_SOCKET = RUN_DIR / "host.sock"
# Touched by every task that a worker has executed; the supervisor looks at its age.
WORKER_PULSE = RUN_DIR / "worker.pulse"
# One small file per process and kind of figure, added up when Prometheus asks.
METRICS_DIR = RUN_DIR / "metrics"
# The process id of each of the site's processes, by name, kept by the supervisor.
PIDS_DIR = RUN_DIR / "pids"

# What set-up installs or builds; MILLRACE_CACHE lets several installations (and the tests) share one copy.
CACHE_DIR = Path(os.environ.get("MILLRACE_CACHE", DATA_DIR / "cache")).resolve()
KAFKA_DIR = CACHE_DIR / "kafka"
KAFKA_TEMPLATE_DIR = CACHE_DIR / "kafka-template"
AOT_DIR = CACHE_DIR / "aot"
STUDENT_SITE = CACHE_DIR / "student-site"
ASSETS_DIR = CACHE_DIR / "assets"
# From npm: editor and fonts; and our own modules and sheets in one file per page (deploy/assets.mjs).
VENDOR_DIR = ASSETS_DIR / "vendor"
BUNDLED_DIR = ASSETS_DIR / "bundled"
