"""`manage.py up`: bring everything up to date, start the site, stay until Ctrl-C.

This process stays for as long as the site runs, so it loads no Django and few packages: what needs them is
a process of its own, `manage.py prepare`, that ends when it is done. What needs no preparation starts
meanwhile.
"""

import asyncio
import contextlib
import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence

from config import paths, sitelock
from config.install.told import told

_STAMPS = paths.DATA_DIR / "stamps"


class NotPrepared(Exception):
    """Set-up has not come to its end, and has said why; `status` is its exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(f"exit status {status}")
        self.status = status


def main(words: Sequence[str]) -> int:
    """The exit status; `words` are the command's arguments."""
    parser = ArgumentParser("manage.py up", description="Install what is missing, start the site, and stay.")
    parser.add_argument("--since", type=float, default=time.time(), help="when the wait began, s")
    began = float(parser.parse_args(words).since)
    os.umask(0o022)
    lock = sitelock.SiteLock()
    try:
        return _up(lock, began)
    except sitelock.SiteRunning as running:
        return _leave(f"{running}.", "Stop that one first, or just open the address.")
    except NotPrepared as fault:
        return fault.status
    except KeyboardInterrupt:
        return 130
    except Exception as error:  # noqa: BLE001 - the last door before the person who typed `make up`
        return _leave(*told(error))
    finally:
        lock.release()


def _up(lock: sitelock.SiteLock, began: float) -> int:
    from config import basics, probes, processes
    from config.backup import swap
    from config.install import ground
    from config.supervisor import StartFault, Supervisor

    lock.hold(f"{basics.ADDRESS} (process {os.getpid()})")
    swap.finish_interrupted(paths.DATA_DIR)
    ground.check_port(basics.BIND, basics.PORT)
    people: list[str] = []
    supervisor = Supervisor(
        processes.groups(),
        log_dir=paths.LOG_DIR,
        run_dir=paths.RUN_DIR,
        say=_say,
        on_ready=lambda: _greet(basics.ADDRESS, "".join(people), time.time() - began),
        pulse=paths.WORKER_PULSE,
        leans_on=lambda: probes.redis_answers(basics.REDIS_URL),
    )

    async def prepare() -> None:
        people.append(await _prepared())

    meanwhile = len(processes.leant_on()) if _was_set_up() else 0
    try:
        asyncio.run(supervisor.run(prepare, meanwhile=meanwhile))
    except StartFault as fault:
        _say("".join(people))  # a first password is made once; it must not be lost with a failed start
        return _leave(f"{fault}\n{fault.last_words}", f"More is in {paths.LOG_DIR / fault.name}.log")
    _say("Stopped.")
    return 0


def _was_set_up() -> bool:
    """Whether everything had been brought about once: then what starts early finds what it needs."""
    return (_STAMPS / "static").exists() and paths.KAFKA_TEMPLATE_DIR.exists()


async def _prepared() -> str:
    """Run set-up beside us; what it has to say to the person who waits. Raises NotPrepared."""
    reading, writing = os.pipe()
    try:
        argv = (sys.executable, "manage.py", "prepare", f"--say-to={writing}")
        child = await asyncio.create_subprocess_exec(*argv, cwd=paths.BASE_DIR, pass_fds=(writing,))
    finally:
        os.close(writing)
    with os.fdopen(reading) as said:
        try:
            status = await child.wait()
        except asyncio.CancelledError:
            child.terminate()
            await child.wait()
            raise
        if status:
            raise NotPrepared(status if status > 0 else 1)
        return said.read()


def _greet(address: str, people: str, took_s: float) -> None:
    _say(f"\nMillrace is running at {address} ({took_s:.1f} s)\n")
    if people:
        _say(f"{people}\n")
    _say(f"Logs are in {paths.LOG_DIR}. Press Ctrl-C to stop.")


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # nobody may be listening any more; the site goes on
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _leave(sentence: str, next_step: str) -> int:
    sys.stderr.write(f"\n{sentence}\n{next_step}\n")
    return 1
