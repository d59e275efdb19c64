"""The picture of one sandbox as it is being put together: sources write here, a stream reads.

All calls are synchronous and on one event loop, so whoever reads between two calls sees a whole picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from live import folding
from live.decoders import Commit, Decoded, Undecoded
from live.deltas import Event
from live.lanes import TopicLane
from live.snapshots import Broker, Group, Partition, Snapshot, Topic
from sandboxes.wire.groups import DescribedGroup
from sandboxes.wire.requests import ClusterMeta, TopicMeta

Offsets = Mapping[tuple[str, int], int]

_MOST_STEPS = 64
# A group costs every flush and every snapshot, and a program can make as many as it likes.
MOST_GROUPS = 200
_STARTING = "The broker has not answered yet."


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Picture:
    """Mutable; `touch` is called after every change."""

    def __init__(self, touch: Callable[[], None]) -> None:
        self._touch = touch
        self.broker = Broker(ok=False, since=now_ms(), sentence=_STARTING)
        self.topics: dict[str, Topic] = {}
        self.groups: dict[str, Group] = {}
        self.knows_topics = False
        self.knows_groups = False
        self.lanes: dict[str, TopicLane] = {}
        self._names: dict[bytes, str] = {}
        self._steps: list[Snapshot] = []
        self._notes: list[Event] = []
        self._said: set[tuple[int, int]] = set()
        self._versions: dict[str, int] = {}
        self._is_crowded = False

    def snapshot(self) -> Snapshot:
        return Snapshot(
            broker=self.broker,
            topics=dict(self.topics),
            groups=dict(self.groups),
            knows_topics=self.knows_topics,
            knows_groups=self.knows_groups,
        )

    def take_steps(self) -> list[Snapshot]:
        """The pictures between the last call and now that are worth telling apart, oldest first."""
        steps, self._steps = self._steps, []
        return steps

    def take_notes(self) -> list[Event]:
        """Events that no two pictures show."""
        notes, self._notes = self._notes, []
        return notes

    def note(self, event: Event) -> None:
        self._notes.append(event)
        self._touch()

    # -- Brokers and topics --------------------------------------------------------------------------------

    def broker_is(self, *, ok: bool, sentence: str = "") -> None:
        if (ok, sentence) != (self.broker.ok, self.broker.sentence):
            since = self.broker.since if ok == self.broker.ok else now_ms()
            self.broker = Broker(ok=ok, since=since, sentence=sentence)
            self._touch()

    def topics_are(self, meta: ClusterMeta, starts: Offsets, ends: Offsets) -> None:
        """Every topic of the cluster as last asked; an offset that is not given stays what it was."""
        self._names = {topic.topic_id: topic.name for topic in meta.topics}
        topics = {
            topic.name: self._topic(topic, starts, ends)
            for topic in sorted(meta.topics, key=lambda t: t.name)
        }
        if topics != self.topics:
            self.topics = topics
            self._touch()

    def _topic(self, meta: TopicMeta, starts: Offsets, ends: Offsets) -> Topic:
        old = self.topics.get(meta.name)
        known = old.partitions if old and old.topic_id == meta.topic_id else ()
        viewed = meta.name in self.lanes
        partitions = []
        for index, part in enumerate(meta.partitions):
            before = known[index] if index < len(known) else Partition()
            end = ends.get((meta.name, index), before.end)
            # The tail of a viewed topic is ahead of the poll: an older log end must not push it back.
            end = max(end, before.end) if viewed else end
            partitions.append(
                Partition(start=starts.get((meta.name, index), before.start), end=end, leader=part.leader)
            )
        return Topic(
            topic_id=meta.topic_id, partitions=tuple(partitions), internal=meta.internal, viewed=viewed
        )

    def reached(self, topic_id: bytes, index: int, *, start: int, end: int) -> None:
        """What a fetch said of one partition."""
        name = self._names.get(topic_id, "")
        topic = self.topics.get(name)
        if topic is None or topic.topic_id != topic_id or index >= len(topic.partitions):
            return
        before = topic.partitions[index]
        self._set_partition(
            name, index, replace(before, start=start if start >= 0 else before.start, end=end)
        )

    def _set_partition(self, name: str, index: int, partition: Partition) -> None:
        topic = self.topics[name]
        if topic.partitions[index] != partition:
            partitions = (*topic.partitions[:index], partition, *topic.partitions[index + 1 :])
            self.topics[name] = replace(topic, partitions=partitions)
            self._touch()

    # -- Viewed topics -------------------------------------------------------------------------------------

    def view(self, name: str) -> TopicLane:
        """The lane of a topic that is read from now on."""
        lane = self.lanes[name] = TopicLane()
        self._mark_viewed(name)
        return lane

    def unview(self, name: str) -> None:
        self.lanes.pop(name, None)
        self._mark_viewed(name)

    def _mark_viewed(self, name: str) -> None:
        topic = self.topics.get(name)
        if topic:
            self.topics[name] = replace(topic, viewed=name in self.lanes)
            self._touch()

    def records_came(self) -> None:
        self._touch()

    # -- Groups --------------------------------------------------------------------------------------------

    def takes(self, group: str) -> bool:
        """Whether there is room for a group that may be new; says once when there is none."""
        if group in self.groups or len(self.groups) < MOST_GROUPS:
            return True
        if not self._is_crowded:
            self._is_crowded = True
            sentence = (
                f"There are more than {MOST_GROUPS} consumer groups; the first {MOST_GROUPS} are shown."
            )
            self.note({"kind": "crowded", "sentence": sentence})
        return False

    def version(self, group: str) -> int:
        """Grows with every record about the group: an answer asked for before the last one is out of date."""
        return self._versions.get(group, 0)

    def fold(self, record: Decoded) -> bool:
        """Take in one record of __consumer_offsets; True when it was about members, not only a commit."""
        if isinstance(record, Undecoded):
            self._say_undecoded(record)
            return False
        if not self.takes(record.group):
            return False
        self._versions[record.group] = self.version(record.group) + 1
        group = folding.fold(self.groups.get(record.group), record, self._names.get)
        self._set_group(record.group, group)
        if isinstance(record, Commit):
            self._commit_proves_end(record)
            return False
        return True

    def step(self) -> None:
        """Keep this moment apart from the next, so that a rebalance is told step by step."""
        if len(self._steps) < _MOST_STEPS:
            self._steps.append(self.snapshot())

    def describe(self, seen: DescribedGroup, asked_at: int) -> None:
        """Take in a description, unless records that came since it was asked for know better."""
        if self.version(seen.group) == asked_at:
            self._set_group(seen.group, folding.described(self.groups.get(seen.group), seen))

    def list_as(self, group: str, *, kind: str, state: str, asked_at: int) -> None:
        """A group of a kind that is not described, or not described yet."""
        if self.version(group) == asked_at:
            old = self.groups.get(group)
            same = old if old and old.kind == kind else Group(kind=kind, state=state)
            self._set_group(group, replace(same, state=state))

    def committed_are(self, group: str, offsets: Mapping[str, Mapping[int, int]], asked_at: int) -> None:
        known = self.groups.get(group)
        if known and self.version(group) == asked_at and known.committed != offsets:
            self._set_group(group, replace(known, committed=offsets))

    def forget(self, group: str, asked_at: int) -> None:
        if self.version(group) == asked_at:
            self._set_group(group, None)

    def _set_group(self, name: str, group: Group | None) -> None:
        if group == self.groups.get(name):
            return
        if group is None:
            del self.groups[name]
        else:
            self.groups[name] = group
        self._touch()

    def _commit_proves_end(self, commit: Commit) -> None:
        """A commit beyond the log end we know says that the log has grown; the poll would tell us later."""
        topic = self.topics.get(commit.topic)
        if (
            topic is None
            or topic.viewed
            or commit.offset is None
            or commit.partition >= len(topic.partitions)
        ):
            return
        partition = topic.partitions[commit.partition]
        if commit.offset > partition.end:
            self._set_partition(commit.topic, commit.partition, replace(partition, end=commit.offset))

    def _say_undecoded(self, record: Undecoded) -> None:
        what = (record.kind, record.version)
        if what not in self._said and len(self._said) < _MOST_STEPS:
            self._said.add(what)
            sentence = (
                f"A group record of kind {record.kind}, version {record.version} was seen, not decoded."
            )
            self.note(
                {"kind": "undecoded", "record": record.kind, "version": record.version, "sentence": sentence}
            )
