"""The host's handler of connections when the host ends."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from pathlib import Path

import pytest

from sandboxes.backends.local.host import Host


class StartingHost(Host):
    """Never gets beyond its start, so that whoever asks has to wait."""

    def __init__(self) -> None:
        self._connections = set()
        self._started = asyncio.Event()


async def end_while_somebody_waits(place: Path) -> None:
    server = await asyncio.start_unix_server(StartingHost()._serve, place)
    _, writer = await asyncio.open_unix_connection(place)
    writer.write(b'{"op": "tier"}\n')
    await asyncio.sleep(0.1)
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()
    await asyncio.sleep(0.1)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    server.close()
    await server.wait_closed()


def test_a_request_that_the_end_cuts_off_leaves_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(end_while_somebody_waits(Path(folder, "s")))

    assert not [record for record in caplog.records if record.name == "asyncio"]
