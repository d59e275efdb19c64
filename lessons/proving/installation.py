"""A private installation for the time of a proof: its own data directory, host daemon and lock.

`course_check` runs itself again with MILLRACE_DATA pointing here, so that every module's idea of "this
installation" is the private one and a site that runs beside it is never touched.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from config import paths
from lessons.proving.rooms import remove
from sandboxes import provisioning
from sandboxes.backends.base import Backend, BackendError

MARK = "MILLRACE_PROOF"
START_S = 60.0
_WRITE_LOCK = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


def run_again_in_private(argv: list[str]) -> int:
    """Run this command once more in an installation of its own, and clean that up; its exit code."""
    data = Path(tempfile.mkdtemp(prefix="millrace-proof-"))
    environment = {
        **os.environ,
        MARK: "1",
        "MILLRACE_DATA": str(data),
        "MILLRACE_CACHE": str(paths.CACHE_DIR),
        "SANDBOX_BACKEND": "local",
    }
    try:
        return subprocess.run([sys.executable, *argv], env=environment, check=False).returncode
    finally:
        shutil.rmtree(data, ignore_errors=True)


def is_private() -> bool:
    return os.environ.get(MARK) == "1"


@contextmanager
def host() -> Iterator[Backend]:
    """A host daemon of our own, and the way to it."""
    paths.DATA_DIR.mkdir(parents=True, exist_ok=True)
    paths.RUN_DIR.mkdir(parents=True, exist_ok=True, mode=0o700)
    with paths.SITE_LOCK.open("w") as lock:
        fcntl.fcntl(lock, fcntl.F_OFD_SETLK, _WRITE_LOCK)
        log = (paths.DATA_DIR / "host.log").open("w")
        roots = os.pathsep.join([str(paths.BASE_DIR), str(paths.BASE_DIR / "platform")])
        daemon = subprocess.Popen(
            [sys.executable, "-m", "sandboxes.backends.local.host"],
            env={**os.environ, "PYTHONPATH": roots},
            cwd=paths.BASE_DIR,
            stdout=log,
            stderr=log,
        )
        backend = provisioning.backend_for(None)
        try:
            _wait_for(daemon, backend)
            yield backend
        finally:
            _destroy_all(backend)
            daemon.terminate()
            daemon.wait(timeout=30)
            log.close()


def _wait_for(daemon: subprocess.Popen[bytes], backend: Backend) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            backend.inventory()
            return
        except BackendError:
            if daemon.poll() is not None or time.monotonic() > deadline:
                said = (paths.DATA_DIR / "host.log").read_text()[-2000:]
                raise RuntimeError(f"the sandbox host did not start:\n{said}") from None
            time.sleep(0.1)


def _destroy_all(backend: Backend) -> None:
    for sandbox_id in _quietly(backend):
        remove(backend, sandbox_id)


def _quietly(backend: Backend) -> tuple[str, ...]:
    try:
        return backend.inventory()
    except BackendError:
        return ()
