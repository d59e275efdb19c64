"""The two peers of our fan-out, servers in processes of their own that send given texts at a given pace.

    python -m tests.bench.peers raw SCRIPT [EXTRA_US]      the websockets library's own broadcast
    python -m tests.bench.peers group SCRIPT               Channels' consumers and Redis layer, under uvicorn
    python -m tests.bench.peers sender SCRIPT              calls group_send, as our sampler is elsewhere too

SCRIPT is a JSON file: {"port": n, "redis": url, "frames": [[seconds to wait, text], ...]}. EXTRA_US burns so
much per delivery, to prove the meter.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from pathlib import Path
from typing import Any

Script = dict[str, Any]


async def _raw(script: Script, extra_us: float) -> None:
    from websockets.asyncio.server import ServerConnection, broadcast, serve

    everybody: set[ServerConnection] = set()

    async def stay(connection: ServerConnection) -> None:
        everybody.add(connection)
        try:
            await connection.wait_closed()
        finally:
            everybody.discard(connection)

    async with serve(stay, "127.0.0.1", script["port"], compression=None, ping_interval=None):
        for wait_s, text in itertools.cycle(script["frames"]):
            await asyncio.sleep(wait_s)
            broadcast(everybody, text)
            _burn(extra_us * len(everybody))


def _burn(microseconds: float) -> None:
    until = time.thread_time() + microseconds / 1e6
    while time.thread_time() < until:
        pass


def _group(script: Script) -> None:
    import uvicorn

    uvicorn.run(
        _application(script),
        host="127.0.0.1",
        port=script["port"],
        ws="websockets-sansio",
        ws_per_message_deflate=False,
        log_level="error",
        lifespan="off",
    )


def _configure(script: Script) -> None:
    from django.conf import settings

    layer = {
        "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
        "CONFIG": {"hosts": [script["redis"]]},
    }
    settings.configure(CHANNEL_LAYERS={"default": layer}, SECRET_KEY="of a bench")


def _application(script: Script) -> Any:
    _configure(script)
    from channels.generic.websocket import AsyncWebsocketConsumer

    class Listener(AsyncWebsocketConsumer):
        groups = ["everybody"]

        async def told(self, event: dict[str, str]) -> None:
            await self.send(event["text"])

    return Listener.as_asgi()


async def _send(script: Script) -> None:
    _configure(script)
    from channels.layers import get_channel_layer

    layer = get_channel_layer()
    assert layer
    for wait_s, text in itertools.cycle(script["frames"]):
        await asyncio.sleep(wait_s)
        await layer.group_send("everybody", {"type": "told", "text": text})


def main() -> None:
    kind, path = sys.argv[1:3]
    script: Script = json.loads(Path(path).read_text())
    if kind == "raw":
        import uvloop

        uvloop.run(_raw(script, float(sys.argv[3]) if len(sys.argv) > 3 else 0.0))
    elif kind == "group":
        _group(script)
    else:
        asyncio.run(_send(script))


if __name__ == "__main__":
    main()
