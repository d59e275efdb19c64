"""A site and its pages in a network of their own, which is taken away for a while: one line of JSON about it.

python -m tests.faults.cut_off

No end of a connection is told that it is gone: packets simply do not arrive, as with a pulled cable.
"""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import socket
import struct
import sys
import time
from pathlib import Path

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _UP = 0x8913, 0x8914, 1
_PAGES = 4
_WITHIN_S = 90.0


def alone() -> None:
    """Leave the machine's network for one of our own, where we may change the interface."""
    user, group = os.getuid(), os.getgid()
    if ctypes.CDLL(None, use_errno=True).unshare(_NEW_USER | _NEW_NET):
        raise OSError(ctypes.get_errno(), "no user and network namespace")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")


def loopback(*, up: bool) -> None:
    """What every packet here goes through."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        name = b"lo".ljust(16, b"\0")
        _, flags = struct.unpack("16sH", fcntl.ioctl(control, _SIOCGIFFLAGS, name + bytes(2)))
        wanted = flags | _UP if up else flags & ~_UP
        fcntl.ioctl(control, _SIOCSIFFLAGS, name + struct.pack("H", wanted))


def main() -> dict[str, object]:
    from tests.bench import processes
    from tests.bench.returning import pages
    from tests.gates import logs
    from tests.live.byhand import Sampler
    from tests.live.served import served

    with served() as site, Sampler(site.valkey.url, site.sandbox.hex) as sampler:
        tabs = [(site.path, site.cookies["ada"])] * _PAGES

        def wait(what: str) -> float:
            began = time.monotonic()
            while not (holds := {"freed": freed, "current": current}[what])():
                assert time.monotonic() - began < _WITHIN_S, f"not {what}: {holds}"
                time.sleep(0.1)
            return time.monotonic() - began

        def freed() -> bool:
            return not processes.peers(site.port)

        def current() -> bool:
            return crowd.standing(sampler.place).current == _PAGES

        with pages(site.address, tabs) as crowd:
            wait("current")
            loopback(up=False)
            sampler.produce()
            freed_s = wait("freed")
            sampler.produce()
            loopback(up=True)
            current_s = wait("current")
            told = crowd.standing(sampler.place)
        alarms = logs.alarms(site.log.read_text())
    return {
        "freed_s": freed_s,
        "current_s": current_s,
        "gaps": told.gaps,
        "snaps": told.snaps,
        "pages": _PAGES,
        "alarms": alarms,
    }


if __name__ == "__main__":
    sys.path.insert(1, str(Path(__file__).resolve().parents[2] / "platform"))
    alone()
    loopback(up=True)
    print(json.dumps(main()))
