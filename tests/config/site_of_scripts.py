"""A supervisor with small scripts as its programs: `python site_of_scripts.py <folder>`, for tests to signal.

Prints `ready` when all groups are up and `said ...` for each console line. The scripts write their pid into
`<folder>/<name>.pid` and a line into `<folder>/order` when they start and when they are asked to stop.
"""

import asyncio
import os
import sys
from pathlib import Path

from config import stuck
from config import supervisor as supervising
from config.child import Program, at_once
from config.sitelock import SiteLock
from config.supervisor import Supervisor

FOLDER = Path(sys.argv[1])

POLITE = """
import os, signal, sys, time
name, folder = sys.argv[1:3]
def note(word):
    with open(f"{folder}/order", "a") as file:
        file.write(f"{word} {name}\\n")
def stop(*_):
    note("stop")
    sys.exit(0)
signal.signal(signal.SIGTERM, stop)
note("start")
open(f"{folder}/{name}.pid", "w").write(str(os.getpid()))
print(f"hello from {name}", flush=True)
print(f"WARNING {name} is a test", flush=True)
print("WARNING a false alarm", flush=True)
while True:
    time.sleep(0.05)
"""
STUBBORN = POLITE.replace('note("stop")\n    sys.exit(0)', 'note("stop")')


def program(name: str, code: str = POLITE, grace_s: float = 5, cwd: Path = FOLDER) -> Program:
    async def ready() -> bool:
        return (FOLDER / f"{name}.pid").exists()

    argv = (sys.executable, "-c", code, name, str(FOLDER))
    return Program(name=name, argv=argv, ready=ready, grace_s=grace_s, cwd=cwd, muted=("a false alarm",))


def main() -> None:
    stubborn = "--stubborn" in sys.argv
    last = program("c", STUBBORN if stubborn else POLITE, grace_s=60 if stubborn else 5)
    home = FOLDER / "home"  # without it, b cannot be started
    home.mkdir()
    groups = [[program("a")], [program("b", cwd=home)], [last]]
    if "--silent" in sys.argv:  # a worker that executes nothing, and little patience with it
        groups.append([program("worker")])
        stuck.AFTER_S, supervising._LOOK_S = 0.3, 0.1
    lock = SiteLock(FOLDER / "site.lock")
    lock.hold(f"test (process {os.getpid()})")
    supervisor = Supervisor(
        groups,
        log_dir=FOLDER / "log",
        run_dir=FOLDER / "run",
        say=lambda line: print("said", line, flush=True),
        on_ready=lambda: print("ready", flush=True),
        pulse=FOLDER / "run" / "pulse",
        leans_on=at_once,
    )
    asyncio.run(supervisor.run())


if __name__ == "__main__":
    main()
