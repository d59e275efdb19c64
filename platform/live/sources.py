"""Where a picture's facts come from: one Source each, run side by side until cancelled.

What Kafka writes down is followed (records, commits, a group's steps); what it keeps only in memory is asked
for, once a second. A broker that is away ends no source.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterable, Sequence
from typing import Protocol

from live.decoders import Commit, Decoded, decode
from live.frames import RECORDS_KEPT
from live.lanes import TopicLane
from live.picture import MOST_GROUPS, Picture
from live.tails import Sink, StartAt, TopicTail
from sandboxes.wire import batches, requests
from sandboxes.wire.batches import Batch
from sandboxes.wire.cluster import Cluster
from sandboxes.wire.errors import CorruptAnswer, WireError
from sandboxes.wire.groups import ListedGroup, describe_classic, describe_consumer, list_groups, offset_fetch
from sandboxes.wire.requests import EARLIEST, LATEST, ClusterMeta

logger = logging.getLogger(__name__)

POLL_S = 1.0
STARTS_EVERY_S = 5.0
DESCRIBE_EVERY_S = 5.0
COMMITS_EVERY_S = 30.0
GROUP_TOPIC = "__consumer_offsets"
# Transactions at a time, and commits in one of them.
_MOST_WAITING = 2000
_DESCRIBED = {"classic": describe_classic, "consumer": describe_consumer}


class Source(Protocol):
    """Reads one kind of fact into a picture."""

    async def run(self) -> None:
        """Until cancelled. Trouble with brokers is waited out, never raised."""


class ClusterPoll:
    """Who is there, who leads what, log starts and ends: once a second, or at once when something moved."""

    def __init__(self, cluster: Cluster, picture: Picture) -> None:
        self._cluster = cluster
        self._picture = picture
        self._starts_due = 0.0
        self._known: frozenset[tuple[str, int]] = frozenset()
        self.answered = asyncio.Event()

    async def run(self) -> None:
        while True:
            started = time.monotonic()
            self._cluster.wanted.clear()
            await self._poll()
            self.answered.set()
            rest = POLL_S - (time.monotonic() - started)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._cluster.wanted.wait(), max(0.1, rest))
            await asyncio.sleep(0.05)  # a storm of wishes is answered 20 times a second at most

    async def _poll(self) -> None:
        try:
            meta = await self._cluster.refresh()
        except WireError as error:
            self._picture.broker_is(ok=False, sentence=silence(self._cluster.brokers))
            logger.debug("live.silent", extra={"error": str(error)})
            return
        ends, silent = await self._offsets(meta, LATEST)
        partitions = frozenset((t.name, p.index) for t in meta.topics for p in t.partitions)
        if partitions != self._known or time.monotonic() >= self._starts_due:
            starts, _ = await self._offsets(meta, EARLIEST)
            self._starts_due, self._known = time.monotonic() + STARTS_EVERY_S, partitions
        else:
            starts = {}
        self._picture.topics_are(meta, starts, ends)
        self._picture.knows_topics = True
        gone = {b for b in self._cluster.brokers if b not in meta.brokers} | silent
        self._picture.broker_is(ok=True, sentence=silence(sorted(gone), some=True) if gone else "")

    async def _offsets(self, meta: ClusterMeta, when: int) -> tuple[dict[tuple[str, int], int], set[int]]:
        """Offsets of every partition that has a leader, and the brokers that did not answer."""
        leaders = {p.leader for t in meta.topics for p in t.partitions if p.leader >= 0}
        asked = [(leader, requests.list_offsets(_led_by(meta, leader), when)) for leader in sorted(leaders)]
        answers = await asyncio.gather(*(self._cluster.ask(*one) for one in asked), return_exceptions=True)
        found: dict[tuple[str, int], int] = {}
        silent: set[int] = set()
        for (leader, _), answer in zip(asked, answers, strict=True):
            if isinstance(answer, WireError):
                silent.add(leader)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found |= answer
        return found, silent


def _led_by(meta: ClusterMeta, leader: int) -> dict[str, list[int]]:
    led = {t.name: [p.index for p in t.partitions if p.leader == leader] for t in meta.topics}
    return {name: partitions for name, partitions in led.items() if partitions}


def silence(brokers: Sequence[int], *, some: bool = False) -> str:
    """The sentence for brokers that do not answer."""
    if not brokers:
        return "The broker does not answer. What you see is from before."
    names = " and ".join(str(broker) for broker in brokers)
    who = f"Broker {names} does" if len(brokers) == 1 else f"Brokers {names} do"
    return f"{who} not answer." if some else f"{who} not answer. What you see is from before."


class GroupPoll:
    """What brokers keep of groups in memory: states between two records, hosts and client names."""

    def __init__(self, cluster: Cluster, picture: Picture, *, after: asyncio.Event) -> None:
        """after: set when the records about groups are being followed."""
        self._cluster = cluster
        self._picture = picture
        self._after = after
        self._describe_due = 0.0
        self._commits_due = 0.0
        self.answered = asyncio.Event()

    async def run(self) -> None:
        await self._after.wait()
        while True:
            await self._poll()
            self.answered.set()
            await asyncio.sleep(POLL_S)

    async def _poll(self) -> None:
        versions = {name: self._picture.version(name) for name in self._picture.groups}
        listed: set[str] = set()
        is_complete = True
        for broker in self._cluster.brokers:
            try:
                groups = await self._cluster.ask(broker, list_groups())
                await self._look_at(broker, groups)
                listed |= {g.group for g in groups}
            except WireError:
                is_complete = False
        if is_complete:
            for gone in versions.keys() - listed:
                self._picture.forget(gone, versions[gone])
            self._picture.knows_groups = True
        self._rearm()

    def _rearm(self) -> None:
        now = time.monotonic()
        if now >= self._describe_due:
            self._describe_due = now + DESCRIBE_EVERY_S
        if now >= self._commits_due:
            self._commits_due = now + COMMITS_EVERY_S

    async def _look_at(self, broker: int, listed: Sequence[ListedGroup]) -> None:
        now = time.monotonic()
        groups = self._taken(listed)
        unknown = {g.group for g in groups if g.group not in self._picture.groups}
        changed = [g for g in groups if g.group in unknown or now >= self._describe_due or self._differs(g)]
        for kind in {g.kind for g in changed}:
            await self._describe(broker, kind, [g for g in changed if g.kind == kind])
        wanted = [g.group for g in groups if g.group in unknown or now >= self._commits_due]
        if wanted:
            await self._read_commits(broker, wanted)

    def _taken(self, listed: Sequence[ListedGroup]) -> list[ListedGroup]:
        """Those that are in the picture, and as many others as there is room for."""
        known = [g for g in listed if g.group in self._picture.groups]
        others = [g for g in listed if g.group not in self._picture.groups]
        room = max(MOST_GROUPS - len(self._picture.groups), 0)
        if others[room:]:
            self._picture.takes(others[room].group)
        return known + others[:room]

    def _differs(self, group: ListedGroup) -> bool:
        known = self._picture.groups[group.group]
        return (known.kind, known.state) != (group.kind, group.state)

    async def _describe(self, broker: int, kind: str, groups: Sequence[ListedGroup]) -> None:
        asked = {g.group: self._picture.version(g.group) for g in groups}
        question = _DESCRIBED.get(kind)
        if question is None:
            for group in groups:
                self._picture.list_as(group.group, kind=kind, state=group.state, asked_at=asked[group.group])
            return
        for seen in await self._cluster.ask(broker, question(list(asked))):
            if not seen.error and seen.state != "Dead":
                self._picture.describe(seen, asked[seen.group])
        self._picture.step()

    async def _read_commits(self, broker: int, groups: Sequence[str]) -> None:
        asked = {group: self._picture.version(group) for group in groups}
        for group, found in (await self._cluster.ask(broker, offset_fetch(groups))).items():
            if not found.error:
                self._picture.committed_are(group, found.offsets, asked[group])


class LaneSink:
    """Records of one viewed topic, into its lane."""

    def __init__(self, picture: Picture, topic: str, lane: TopicLane) -> None:
        self._picture = picture
        self._topic = topic
        self._lane = lane

    def take(self, partition: int, found: Sequence[Batch], start: int, *, is_history: bool) -> int:
        after = self._lane.add(partition, found, start, now=time.monotonic(), is_history=is_history)
        self._picture.records_came()
        return after

    def reached(self, topic_id: bytes, partition: int, *, start: int, end: int) -> None:
        self._picture.reached(topic_id, partition, start=start, end=end)

    def missed(self, partition: int, start: int, end: int, why: str) -> None:
        self._lane.jump(partition, start, end)
        place = f"{self._topic}-{partition}"
        count = end - start
        event = {
            "kind": "gap",
            "topic": self._topic,
            "p": partition,
            "from": start,
            "to": end,
            "count": count,
            "why": why,
        }
        self._picture.note({**event, "sentence": f"{_WHY[why].format(count=count, place=place)}"})

    def renewed(self) -> None:
        self._lane.clear()


_WHY = {
    "behind": "{count} records of {place} came faster than this page can show; they are counted, not shown.",
    "deleted": "{count} offsets of {place} were deleted before they could be shown.",
    "large": "{count} offsets of {place} are not shown: what stands at their beginning is too large.",
    "unreadable": "{count} offsets of {place} hold bytes that are no record batches; they are not shown.",
}


class GroupSink:
    """Records of __consumer_offsets, into the groups. Commits of a transaction wait for its end."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture
        self._pending: dict[tuple[int, int], dict[tuple[str, str, int], Decoded]] = {}

    def take(self, partition: int, found: Sequence[Batch], start: int, *, is_history: bool) -> int:
        for batch in found:
            if batch.last_offset >= start:
                self._take(partition, batch, start)
                start = batch.last_offset + 1
        return start

    def reached(self, topic_id: bytes, partition: int, *, start: int, end: int) -> None:
        """The internal topic's own offsets are polled like those of any topic that is not viewed."""

    def missed(self, partition: int, start: int, end: int, why: str) -> None:
        self._picture.note(
            {
                "kind": "gap",
                "topic": GROUP_TOPIC,
                "p": partition,
                "from": start,
                "to": end,
                "count": end - start,
                "why": why,
                "sentence": "Some steps of consumer groups were missed; the groups were read anew.",
            }
        )

    def renewed(self) -> None:
        self._pending.clear()

    def _take(self, partition: int, batch: Batch, start: int) -> None:
        key = (partition, batch.producer_id)
        try:
            if batch.is_control:
                waiting = self._pending.pop(key, {})
                self._fold(waiting.values() if batches.commits(batch) else ())
                return
            decoded = [decode(r.key, r.value) for r in batches.records(batch, start=start)]
        except CorruptAnswer:
            return
        if batch.is_transactional:
            self._wait(key, decoded)
        else:
            self._fold(decoded)

    def _wait(self, key: tuple[int, int], decoded: Iterable[Decoded]) -> None:
        """Until the transaction ends. What there is no room for is read with the next look at the groups."""
        waiting = self._pending.setdefault(key, {}) if len(self._pending) < _MOST_WAITING else {}
        for one in decoded:
            if isinstance(one, Commit) and self._picture.takes(one.group) and len(waiting) < _MOST_WAITING:
                waiting[one.group, one.topic, one.partition] = one

    def _fold(self, decoded: Iterable[Decoded]) -> None:
        has_moved = False
        for record in decoded:
            has_moved = self._picture.fold(record) or has_moved
        if has_moved:
            self._picture.step()


def topic_tail(cluster: Cluster, picture: Picture, topic: str) -> TopicTail:
    """The records of a viewed topic, from a few before now."""
    sink: Sink = LaneSink(picture, topic, picture.view(topic))
    return TopicTail(cluster, topic, sink, start=StartAt.RECENT, recent=RECORDS_KEPT, wait_ms=500)


def group_tail(cluster: Cluster, picture: Picture) -> TopicTail:
    """Commits and group steps, from now on; what was before is described."""
    return TopicTail(cluster, GROUP_TOPIC, GroupSink(picture), start=StartAt.END, wait_ms=1000)
