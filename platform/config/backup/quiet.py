"""Waits until nothing runs in this installation: after a site was killed, its sandboxes end 15 s later."""

import os
import socket
import time
from pathlib import Path

from config import sitelock
from config.backup.faults import BackupFault
from config.backup.manifest import SANDBOXES

_WITHIN_S = 25.0
_LOOK_S = 0.5


def wait_until_quiet(data: Path) -> None:
    """Return when no sandbox of a site that has ended is left; raises BackupFault."""
    until = time.monotonic() + _WITHIN_S
    while any(_is_kept(home) for home in (data / SANDBOXES).glob("*")):
        if time.monotonic() > until:
            raise BackupFault(
                "Sandboxes are still running, although the site is not.",
                "Wait half a minute, then run the same command again.",
            )
        time.sleep(_LOOK_S)


def hold_site(lock: sitelock.SiteLock, data: Path, why: str) -> None:
    """Keep anybody from starting the site meanwhile; raises SiteRunning or BackupFault.

    Only when all is quiet: a sandbox that sees its site's lock held again stays.
    """
    if sitelock.held(lock.path):
        raise sitelock.SiteRunning(lock.path.read_text().strip())
    wait_until_quiet(data)
    lock.hold(why)


def _is_kept(home: Path) -> bool:
    """Whether the sandbox's first process is there and listens; its socket's path may be too long to name."""
    try:
        folder = os.open(home / "run", os.O_PATH | os.O_DIRECTORY)
    except OSError:
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        try:
            line.connect(f"/proc/self/fd/{folder}/keeper.sock")
        except OSError:
            return False
        finally:
            os.close(folder)
    return True
