"""The sampler without a Kafka: what it does when a sandbox or a connection goes away."""

from __future__ import annotations

import asyncio
import logging

import pytest
import uvloop

from live.feed import Feed
from live.sampler import Sampler
from live.stopping import stop
from live.watch import Gone
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.wire import requests
from sandboxes.wire.connection import Connection
from sandboxes.wire.errors import WireError

ADA = "a" * 32


class DeletedSandbox:
    """Resolves to nothing for good, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, hex_id: str) -> KafkaEndpoint:
        self.asked += 1
        raise Gone("This sandbox was deleted.")


async def until_asked(sandbox: DeletedSandbox, times: int) -> None:
    async with asyncio.timeout(5):
        while sandbox.asked < times:
            await asyncio.sleep(0.01)


async def test_a_deleted_sandbox_is_let_go_quietly_until_somebody_comes_anew(
    feed: Feed, caplog: pytest.LogCaptureFixture
) -> None:
    sandbox = DeletedSandbox()
    sampling = asyncio.create_task(Sampler(feed, sandbox).run())
    try:
        await feed.keep_watching(ADA, ["orders"])
        await feed.knock(ADA)
        await until_asked(sandbox, 1)
        await asyncio.sleep(2.5)
        assert sandbox.asked == 1, "the look that comes every second leaves it alone"

        await feed.knock(ADA)
        await until_asked(sandbox, 2)
    finally:
        await stop([sampling])
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def ask_over_a_closed_transport() -> None:
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "127.0.0.1", 0)
    async with server:
        address = server.sockets[0].getsockname()
        connection = Connection(address, None)
        connection._streams = await asyncio.open_connection(*address)
        connection._streams[1].transport.abort()
        await asyncio.sleep(0.05)
        await connection.ask(requests.metadata(), within_s=1)


def test_a_connection_that_hung_up_is_no_answer_under_uvloop_too() -> None:
    with pytest.raises(WireError, match="does not answer"):
        uvloop.run(ask_over_a_closed_transport())
