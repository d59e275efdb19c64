"""A read-only look into a sandbox: pure types, and the Protocol that judges of labs are written against.

`sandboxes.observe` fills it from a real cluster; tests fill it by hand. A read that the sandbox does not
answer raises `ViewUnavailable`; judges let it fly and the verdict becomes "not ready".
Knows no Django and no Kafka client.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

# Log ends per topic at one moment; a topic that did not exist is absent and counts as all zeros.
Horizon = Mapping[str, tuple[int, ...]]
Isolation = Literal["read_uncommitted", "read_committed"]


class ViewUnavailable(Exception):
    """The sandbox did not answer in time; says nothing about the student's work."""


class ScanTooLarge(Exception):
    """There are more records than a check may read; `sentence` tells the student what to do."""

    def __init__(self, topic: str, what: str) -> None:
        self.topic = topic
        self.sentence = f"{what} Reset the lab, then run your program once."
        super().__init__(self.sentence)

    @classmethod
    def by_count(cls, topic: str, count: int, limit: int) -> ScanTooLarge:
        return cls(
            topic, f"There are {count:,} new records in {topic}, and this check reads at most {limit:,}."
        )

    @classmethod
    def by_bytes(cls, topic: str, limit: int) -> ScanTooLarge:
        most = f"{limit // 1024 // 1024} MiB"
        return cls(
            topic, f"The new records in {topic} are too large: this check reads at most {most} in all."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionView:
    """One partition's replicas by broker id; leader is -1 while there is none."""

    partition: int
    leader: int
    replicas: tuple[int, ...]
    isr: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigValue:
    """A setting's value and where it comes from: "topic", "broker" or "default"."""

    value: str
    source: Literal["topic", "broker", "default"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicView:
    name: str
    partitions: tuple[PartitionView, ...]
    configs: Mapping[str, ConfigValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionOffsets:
    """start: first offset kept; end: log end (high watermark); stable: last stable offset."""

    partition: int
    start: int
    end: int
    stable: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordView:
    """One record, with its first 64 headers. timestamp: seconds since the epoch. Keys, values and headers'
    values are raw bytes.
    """

    topic: str
    partition: int
    offset: int
    timestamp: float
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()

    @property
    def key_text(self) -> str:
        """The key as text; undecodable bytes are replaced, no key is ""."""
        return (self.key or b"").decode("utf-8", "replace")

    @property
    def text(self) -> str:
        """The value as text; undecodable bytes are replaced, no value is ""."""
        return (self.value or b"").decode("utf-8", "replace")

    def json(self) -> object | None:
        """The value read as JSON; None when it is none."""
        try:
            return json.loads(self.value or b"")  # type: ignore[no-any-return]
        except ValueError:
            return None

    def fields(self) -> Mapping[str, object]:
        """The value read as a JSON object; empty when it is none."""
        value = self.json()
        return value if isinstance(value, dict) else {}

    def header(self, name: str) -> bytes | None:
        """The last header of that name; None when there is none."""
        found = [value for key, value in self.headers if key == name]
        return found[-1] if found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberView:
    """assigned: the (topic, partition) pairs this member owns now."""

    member_id: str
    client_id: str
    host: str
    assigned: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A consumer group. type: "classic" or "consumer"; state as Kafka names it ("Stable", "Empty", ...)."""

    group_id: str
    type: str
    state: str
    members: tuple[MemberView, ...] = ()
    committed: Mapping[tuple[str, int], int] = field(default_factory=dict)

    def committed_to(self, topic: str) -> dict[int, int]:
        """Committed offsets of one topic by partition; a partition without a commit is absent."""
        return {partition: offset for (name, partition), offset in self.committed.items() if name == topic}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgramView:
    """One run of a student's program. Times in seconds since the epoch; None while it runs.

    path:   relative to the workspace, e.g. "first-events/producer.py".
    reason: why the platform ended it ("stopped", "killed", "memory", ...), "" when it ended by itself.
    """

    program_id: str
    path: str
    args: tuple[str, ...]
    label: str
    started_at: float
    ended_at: float | None
    exit_code: int | None
    signal: int | None
    reason: str

    @property
    def running(self) -> bool:
        return self.ended_at is None


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultView:
    """A fault that was injected; until is None while it lasts. Seconds since the epoch."""

    kind: str
    node: int
    ms: int
    at: float
    until: float | None


class SandboxView(Protocol):
    """One look at a sandbox. Reads are remembered for the life of the view, so they agree with each other.

    Whatever a program sent before it ended is there for whoever sees that it has ended.
    """

    @property
    def now(self) -> float:
        """When this look began, seconds since the epoch; judges never ask the clock."""

    def topics(self) -> tuple[str, ...]:
        """Names of the student's topics, sorted; internal ones left out."""

    def topic(self, name: str) -> TopicView | None:
        """Partitions and settings, or None when it does not exist."""

    def offsets(self, name: str) -> tuple[PartitionOffsets, ...]:
        """Offsets per partition, in order; empty when the topic does not exist."""

    def records(
        self, name: str, *, since: Horizon | None = None, isolation: Isolation = "read_uncommitted"
    ) -> tuple[RecordView, ...]:
        """Records from `since` (or the start) to the end, by partition then offset; empty without the topic.

        Reads at most 100,000 records, and 32 MiB in all that one view reads; raises ScanTooLarge beyond.
        Look at `offsets` first: it is cheaper.
        """

    def group(self, group_id: str) -> GroupView | None:
        """The group, or None when it never existed (Kafka calls that Dead)."""

    def programs(self) -> tuple[ProgramView, ...]:
        """The sandbox's program runs, oldest first."""

    def faults(self) -> tuple[FaultView, ...]:
        """The faults injected into this sandbox, oldest first."""

    def file(self, path: str) -> str | None:
        """Text of a file in the workspace (at most 256 KiB), or None when there is none."""


def lag(offsets: Iterable[PartitionOffsets], committed: Mapping[int, int]) -> dict[int, int | None]:
    """Records behind the log end by partition; None where nothing is committed, which is not zero."""
    return {o.partition: _behind(o, committed.get(o.partition)) for o in offsets}


def _behind(offsets: PartitionOffsets, committed: int | None) -> int | None:
    return None if committed is None else max(0, offsets.end - max(committed, offsets.start))
