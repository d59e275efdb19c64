"""A real broker in its sandbox, and a viewer of it: sampler and hub in this process, Valkey between them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from live.feed import Feed, connect
from live.hub import Hub
from live.ops import Place
from live.sampler import Sampler
from live.stopping import stop
from live.viewer import Viewer
from sandboxes.backends.base import KafkaEndpoint
from tests.live.browser import Browser, read
from tests.live.valkey import Valkey
from tests.sandboxes.backends.local_host import LocalHost


@dataclass
class Kafka:
    """One running sandbox and clients for it."""

    host: LocalHost
    hex_id: str
    endpoint: KafkaEndpoint
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(1_000_000)))

    @cached_property
    def admin(self) -> AdminClient:
        """One, kept: an admin client that is dropped takes its unfinished answers with it."""
        return AdminClient({**self.endpoint.client_config()})

    def topic(self, partitions: int = 2, name: str = "", **config: str) -> str:
        name = name or f"topic-{next(self.numbers)}"
        (done,) = self.admin.create_topics([NewTopic(name, partitions, 1, config=config)]).values()
        done.result(10)
        return name

    def producer(self, **config: Any) -> Producer:
        return Producer({**self.endpoint.client_config(), "linger.ms": 0, "acks": "all", **config})

    def consumer(self, group: str, **config: Any) -> Consumer:
        common = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
        return Consumer({**self.endpoint.client_config(), **common, **config})


def kafka_in(host: LocalHost) -> Kafka:
    """A new sandbox of that host, running."""
    hex_id = host.start()
    endpoint = host.backend.observe(hex_id).endpoint
    assert endpoint
    return Kafka(host, hex_id, endpoint)


@dataclass
class Watching:
    """A viewer of one sandbox and the sampler behind it, in this process."""

    hub: Hub
    hex_id: str
    browser: Browser = field(default_factory=Browser)
    viewer: Viewer = field(default_factory=Viewer)

    def __post_init__(self) -> None:
        self._reading: asyncio.Task[int] | None = None

    def open(self, *topics: str, resume: Place | None = None) -> Watching:
        self.viewer = Viewer(topics)
        self.hub.attach(self.hex_id, self.viewer, resume)
        self._reading = asyncio.create_task(read(self.viewer, self.browser))
        return self

    async def cut(self) -> None:
        assert self._reading
        self.hub.detach(self.hex_id, self.viewer)
        await stop([self._reading])

    def come_back(self) -> None:
        self.open(*self.viewer.topics, resume=Place(self.browser.epoch, self.browser.seq))

    async def until(self, holds: Callable[[Browser], object], within_s: float = 60) -> Browser:
        async with asyncio.timeout(within_s):
            while not (self.browser.snaps and holds(self.browser)):
                await asyncio.sleep(0.005)
        return self.browser

    def told(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.browser.events if event["kind"] == kind]


@contextlib.asynccontextmanager
async def watching_from(valkey: Valkey, kafka: Kafka) -> AsyncIterator[Watching]:
    async def resolve(hex_id: str) -> KafkaEndpoint:
        if hex_id != kafka.hex_id:
            raise LookupError("Your sandbox is not running. Press Start.")
        return kafka.endpoint

    redis = connect(valkey.url)
    sampler = asyncio.create_task(Sampler(Feed(redis), resolve).run())
    hub = Hub(Feed(connect(valkey.url)))
    watching = Watching(hub, kafka.hex_id)
    yield watching
    if watching._reading:
        await stop([watching._reading])
    await hub.close()
    await stop([sampler])
    await redis.aclose()


async def in_thread(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return await asyncio.to_thread(call, *args, **kwargs)


def ends(browser: Browser, topic: str) -> list[int]:
    return [p["end"] for p in browser.state["topics"].get(topic, {"partitions": []})["partitions"]]
