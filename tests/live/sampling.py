"""A sampler driven by hand: a real picture, stream and feed, without a Kafka behind them."""

from __future__ import annotations

import secrets
import time

from live.feed import Feed
from live.lanes import TopicLane
from live.picture import Picture
from live.stream import Output, Stream
from sandboxes.wire.requests import ClusterMeta, PartitionMeta, TopicMeta
from tests.sandboxes.wire.test_batches import batch_of, body_of

TOPIC_IDS = {"orders": b"o" * 16, "payments": b"p" * 16}


class HandSampler:
    """One epoch of one sandbox; `produce` and `flush` in any order."""

    def __init__(self, feed: Feed, hex_id: str, *, partitions: int = 2) -> None:
        self.feed = feed
        self.hex_id = hex_id
        self.token = secrets.token_hex(4)
        self.picture = Picture(lambda: None)
        self.ends = {(name, p): 0 for name in TOPIC_IDS for p in range(partitions)}
        self.lanes: dict[str, TopicLane] = {}
        self.stream: Stream | None = None
        self._see()
        self.picture.knows_topics = self.picture.knows_groups = True
        self.picture.broker_is(ok=True)

    def _see(self) -> None:
        topics = []
        for name, topic_id in TOPIC_IDS.items():
            parts = [PartitionMeta(p, 0, 1, 0) for (topic, p) in self.ends if topic == name]
            topics.append(TopicMeta(name, topic_id, False, tuple(parts)))
        meta = ClusterMeta("c", {1: ("127.0.0.1", 1)}, tuple(topics))
        self.picture.topics_are(meta, dict.fromkeys(self.ends, 0), self.ends)

    async def start(self) -> HandSampler:
        """Claim the sandbox and publish a first snapshot."""
        fence = await self.feed.claim(self.hex_id, self.token)
        assert fence, "somebody else samples this sandbox"
        self.stream = Stream(self.picture, f"{fence}-{self.token}")
        for name in TOPIC_IDS:
            self.lanes[name] = self.picture.view(name)
        await self.flush()
        return self

    def produce(self, topic: str = "orders", partition: int = 0, count: int = 1, value: bytes = b"v") -> None:
        start = self.ends[topic, partition]
        batch = batch_of(body_of(*([value] * count)), count=count, base=start)
        self.lanes[topic].add(partition, [batch], start, now=time.monotonic())
        self.ends[topic, partition] = start + count
        self.picture.reached(TOPIC_IDS[topic], partition, start=0, end=start + count)

    async def flush(self) -> Output:
        """Publish what has changed; the output, whose frames say what was published."""
        assert self.stream is not None
        output = self.stream.flush()
        assert await self.feed.publish(self.hex_id, self.token, output)
        return output

    async def produce_now(
        self, topic: str = "orders", partition: int = 0, count: int = 1, value: bytes = b"v"
    ) -> Output:
        self.produce(topic, partition, count, value)
        return await self.flush()
