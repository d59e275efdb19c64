"""What was seen of one sandbox at one instant, and what lag means.

Everything here is immutable; a change makes a new value and shares the rest, so that finding what changed
starts with `is`. Names are Kafka's: offsets are record numbers, the log end is the next one to be written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


def lag(*, start: int, end: int, committed: int | None) -> int | None:
    """Records a group has still to read in one partition; None while it has committed nothing there.

    A commit below the log start counts from the start (those records are gone), one beyond the end is no lag.
    """
    return None if committed is None else max(0, end - max(committed, start))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """Whether the brokers answer. since: ms since the epoch; sentence: for the student, empty while all is
    well.
    """

    ok: bool
    since: int
    sentence: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """start: oldest offset kept; end: log end; leader: broker id, -1 while there is none."""

    start: int = 0
    end: int = 0
    leader: int = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """topic_id: another one means another topic, even under the same name. viewed: its records are being
    read.
    """

    topic_id: bytes
    partitions: tuple[Partition, ...]
    internal: bool = False
    viewed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One member of a group. assigned: topic -> partitions it reads now.

    epoch: the member's own (-1 in a classic group); settled: it has taken over all it was given.
    """

    id: str
    client: str
    host: str
    assigned: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    epoch: int = -1
    settled: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """kind: "classic", "consumer", "share" or "streams". committed: topic -> partition -> next offset to
    read.

    generation: grows with every rebalance (a consumer group's epoch); target: the epoch assignments were
    computed for.
    """

    kind: str
    state: str
    generation: int = -1
    target: int = -1
    members: Mapping[str, Member] = field(default_factory=dict)
    committed: Mapping[str, Mapping[int, int]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """knows_topics, knows_groups: they were read at least once, so what appears later is new and not only
    newly seen.
    """

    broker: Broker
    knows_topics: bool = False
    knows_groups: bool = False
    topics: Mapping[str, Topic] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)


def as_json(snapshot: Snapshot) -> dict[str, Any]:
    """The snapshot as it crosses the socket: broker, topics and groups, plain values only."""
    return {
        "broker": broker_json(snapshot.broker),
        "topics": {name: topic_json(topic) for name, topic in snapshot.topics.items()},
        "groups": {name: group_json(group) for name, group in snapshot.groups.items()},
    }


def broker_json(broker: Broker) -> dict[str, Any]:
    return {"ok": broker.ok, "since": broker.since, "sentence": broker.sentence}


def topic_json(topic: Topic) -> dict[str, Any]:
    partitions = [partition_json(index, p) for index, p in enumerate(topic.partitions)]
    return {"partitions": partitions, "internal": topic.internal, "viewed": topic.viewed}


def partition_json(index: int, partition: Partition) -> dict[str, Any]:
    return {"p": index, "start": partition.start, "end": partition.end, "leader": partition.leader}


def group_json(group: Group) -> dict[str, Any]:
    return {
        "type": group.kind,
        "state": group.state,
        "generation": group.generation,
        "members": members_json(group.members),
        "committed": {topic: committed_json(offsets) for topic, offsets in group.committed.items()},
    }


def members_json(members: Mapping[str, Member]) -> list[dict[str, Any]]:
    """In order of member id, so that two readings of the same members are equal."""
    return [
        {
            "id": m.id,
            "client": m.client,
            "host": m.host,
            "assigned": {t: list(ps) for t, ps in sorted(m.assigned.items())},
        }
        for _, m in sorted(members.items())
    ]


def committed_json(offsets: Mapping[int, int]) -> dict[str, int]:
    return {str(partition): offset for partition, offset in offsets.items()}
