"""Whether something answers: short questions over a socket, none of which raises."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

_WAIT_S = 1.0


async def over_unix(socket: Path, question: bytes) -> bytes:
    """The first line that comes back; empty when nobody answers."""
    try:
        async with asyncio.timeout(_WAIT_S):
            return await _first_line(*await asyncio.open_unix_connection(socket), question)
    except (OSError, TimeoutError):
        return b""


async def over_tcp(host: str, port: int, question: bytes) -> bytes:
    """The same over TCP."""
    try:
        async with asyncio.timeout(_WAIT_S):
            return await _first_line(*await asyncio.open_connection(host, port), question)
    except (OSError, TimeoutError):
        return b""


async def redis_answers(url: str) -> bool:
    """Whatever it says, be it that it wants a password first, it is there; over TLS, that it listens."""
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return bool(await over_unix(Path(parts.path), b"PING\r\n"))
    question = b"" if parts.scheme == "rediss" else b"PING\r\n"
    try:
        async with asyncio.timeout(_WAIT_S):
            reader, writer = await asyncio.open_connection(parts.hostname or "localhost", parts.port or 6379)
            return not question or bool(await _first_line(reader, writer, question))
    except (OSError, TimeoutError):
        return False


async def site_answers(host: str, port: int) -> bool:
    """Any answer that is not our own failure: a proxy's host name may be refused here and served there."""
    line = await over_tcp(
        host, port, b"GET /healthz/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    return line.startswith(b"HTTP/1.1 ") and not line.startswith(b"HTTP/1.1 5")


async def _first_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, question: bytes) -> bytes:
    try:
        writer.write(question)
        return await reader.readline()
    finally:
        writer.close()
