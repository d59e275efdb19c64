"""Ask a broker who it is, in Kafka's own protocol: the proof that it is up and is the right one.

Four requests on the platform's listener: SaslHandshake, SaslAuthenticate, then Metadata or Fetch. Small
enough to be written out; a client library would be a thread and 20 MB for one question.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct

from sandboxes.backends.base import KafkaEndpoint
from sandboxes.backends.local.kafka import PLATFORM_USER

_SASL_HANDSHAKE, _SASL_AUTHENTICATE, _METADATA, _FETCH = 17, 36, 3, 1
_MAX_ANSWER = 1 << 20
_FETCH_BYTES, _FETCH_WAIT_MS = 1 << 16, 1000


class NoAnswer(Exception):
    """The broker is not there, not ready, or says something else than Kafka would."""


async def cluster_id(address: str, port: int, *, password: str, timeout_s: float) -> str:
    """The cluster id the broker at this address tells after a sign-in; raises NoAnswer."""
    no_topics = struct.pack(">i?", 0, False)
    said = await _converse((address, port), password, timeout_s, (_METADATA, 4, no_topics))
    try:
        return _cluster_id_in(said)
    except (struct.error, UnicodeDecodeError) as error:
        raise NoAnswer(str(error)) from error


def answers(endpoint: KafkaEndpoint, *, timeout_s: float = 0.5) -> bool:
    """Whether the first broker of an endpoint answers as the cluster that it should be."""
    address, port = _first_broker(endpoint)
    asking = cluster_id(address, port, password=endpoint.password, timeout_s=timeout_s)
    try:
        return asyncio.run(asking) == endpoint.cluster_id
    except NoAnswer:
        return False


def first_records(endpoint: KafkaEndpoint, topic: str, timeout_s: float) -> bytes:
    """What a Fetch of a topic's first partition brings, from its beginning; empty when there is no answer."""
    limits = struct.pack(">iiiib", -1, _FETCH_WAIT_MS, 1, _FETCH_BYTES, 0)
    place = struct.pack(">iiqi", 1, 0, 0, _FETCH_BYTES)
    wanted = limits + struct.pack(">i", 1) + _string(topic) + place
    try:
        asking = _converse(_first_broker(endpoint), endpoint.password, timeout_s, (_FETCH, 4, wanted))
        return asyncio.run(asking)
    except NoAnswer:
        return b""


def _first_broker(endpoint: KafkaEndpoint) -> tuple[str, int]:
    address, _, port = endpoint.bootstrap_servers.partition(",")[0].rpartition(":")
    return address, int(port)


async def _converse(
    broker: tuple[str, int], password: str, timeout_s: float, request: tuple[int, int, bytes]
) -> bytes:
    """Connect, sign in, ask one thing, hang up."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(*broker)
            try:
                await _sign_in(reader, writer, password)
                return await _ask(reader, writer, *request)
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, EOFError, TimeoutError, struct.error, UnicodeDecodeError) as error:
        raise NoAnswer(str(error) or type(error).__name__) from error


async def _sign_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, password: str) -> None:
    _expect_no_error(await _ask(reader, writer, _SASL_HANDSHAKE, 1, _string("PLAIN")))
    said = f"\0{PLATFORM_USER}\0{password}".encode()
    request = struct.pack(">i", len(said)) + said
    _expect_no_error(await _ask(reader, writer, _SASL_AUTHENTICATE, 0, request))


async def _ask(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: int, version: int, body: bytes
) -> bytes:
    request = struct.pack(">hhi", key, version, 7) + _string("host") + body
    writer.write(struct.pack(">i", len(request)) + request)
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    if not 4 <= size <= _MAX_ANSWER:
        raise NoAnswer(f"an answer of {size} bytes")
    return (await reader.readexactly(size))[4:]


def _string(text: str) -> bytes:
    return struct.pack(">h", len(text)) + text.encode()


def _expect_no_error(answer: bytes) -> None:
    (code,) = struct.unpack_from(">h", answer)
    if code:
        raise NoAnswer(f"Kafka error {code}")


def _cluster_id_in(answer: bytes) -> str:
    """Metadata v4: throttle time, brokers (id, host, port, rack), cluster id."""
    (brokers,) = struct.unpack_from(">i", answer, 4)
    if brokers < 1:
        raise NoAnswer("the broker knows no broker yet")
    place = 8
    for _ in range(brokers):
        place = _skip_string(answer, place + 4)
        place = _skip_string(answer, place + 4)
    (length,) = struct.unpack_from(">h", answer, place)
    return answer[place + 2 : place + 2 + max(length, 0)].decode()


def _skip_string(answer: bytes, place: int) -> int:
    length: int = struct.unpack_from(">h", answer, place)[0]
    return place + 2 + max(length, 0)
