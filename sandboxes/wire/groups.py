"""The questions we ask about consumer groups, written and read as those in requests.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sandboxes.wire.errors import CorruptAnswer
from sandboxes.wire.primitives import (
    FALSE,
    NO_TAGS,
    NULL,
    Reader,
    array,
    string,
    uvarint,
)
from sandboxes.wire.requests import Request, check

_OF_A_GROUP = b"\x00"  # coordinators of transactions are others


@dataclass(frozen=True, slots=True)
class ListedGroup:
    """kind: "classic", "consumer", "share" or "streams", as the broker says it."""

    group: str
    protocol: str
    state: str
    kind: str


@dataclass(frozen=True, slots=True)
class DescribedMember:
    """assigned: topic -> partitions; epoch is -1 in a classic group, whose members have none."""

    member: str
    client: str
    host: str
    assigned: Mapping[str, tuple[int, ...]]
    epoch: int = -1


@dataclass(frozen=True, slots=True)
class DescribedGroup:
    """epoch, assignment_epoch: -1 in a classic group."""

    group: str
    error: int
    kind: str
    state: str
    members: tuple[DescribedMember, ...]
    epoch: int = -1
    assignment_epoch: int = -1


@dataclass(frozen=True, slots=True)
class CommittedOffsets:
    """offsets: topic -> partition -> offset; error: the group's, 0 when there is none."""

    error: int
    offsets: Mapping[str, Mapping[int, int]]


def find_coordinator(group: str) -> Request[int]:
    """The broker that keeps this group; any broker knows. Asking makes Kafka's own topic of offsets."""
    return Request(10, 4, _OF_A_GROUP + array([string(group)]) + NO_TAGS, _coordinator)


def _coordinator(r: Reader) -> int:
    r.i32()
    found = r.array(_coordinator_of)
    if len(found) != 1:
        raise CorruptAnswer(f"{len(found)} coordinators instead of one")
    error, broker = found[0]
    check("find coordinator", error)
    return broker


def _coordinator_of(r: Reader) -> tuple[int, int]:
    _, broker, _, _, error, _ = r.string(), r.i32(), r.string(), r.i32(), r.i16(), r.maybe_string()
    r.tags()
    return error, broker


def list_groups() -> Request[list[ListedGroup]]:
    """The groups this broker coordinates, in any state and of any kind."""
    return Request(16, 5, uvarint(1) + uvarint(1) + NO_TAGS, _listed)


def _listed(r: Reader) -> list[ListedGroup]:
    r.i32()
    check("list groups", r.i16())
    return r.array(_listed_group)


def _listed_group(r: Reader) -> ListedGroup:
    group = ListedGroup(r.string(), r.string(), r.string(), r.string().lower())
    r.tags()
    return group


def describe_classic(groups: Sequence[str]) -> Request[list[DescribedGroup]]:
    return Request(15, 5, array([string(g) for g in groups]) + FALSE + NO_TAGS, _classic_groups)


def _classic_groups(r: Reader) -> list[DescribedGroup]:
    r.i32()
    return r.array(_classic_group)


def _classic_group(r: Reader) -> DescribedGroup:
    error, group, state, protocol, _ = r.i16(), r.string(), r.string(), r.string(), r.string()
    members = r.array(lambda r: _classic_member(r, protocol))
    r.i32()
    r.tags()
    return DescribedGroup(group, error, "classic", state, tuple(members))


def _classic_member(r: Reader, protocol: str) -> DescribedMember:
    member, _, client, host = r.string(), r.maybe_string(), r.string(), r.string()
    r.maybe_bytes()  # subscription
    assignment = r.maybe_bytes() or b""
    r.tags()
    return DescribedMember(member, client, host, _held(assignment) if protocol == "consumer" else {})


def _held(assignment: bytes) -> dict[str, tuple[int, ...]]:
    """Nothing when the group's leader wrote what is no assignment: the others are seen as they are."""
    try:
        return assigned_in(assignment)
    except CorruptAnswer:
        return {}


def assigned_in(blob_: bytes) -> dict[str, tuple[int, ...]]:
    """Topic -> partitions of the consumer protocol's assignment, which the group's leader wrote.

    librdkafka writes a topic as often as a run of its partitions begins. Raises CorruptAnswer.
    """
    if not blob_:
        return {}
    r = Reader(blob_)
    r.i16()  # version: later ones only append
    held: dict[str, set[int]] = {}
    for topic, partitions in r.old_array(_old_topic_partitions):
        held.setdefault(topic, set()).update(partitions)
    return {topic: tuple(sorted(partitions)) for topic, partitions in held.items()}


def _old_topic_partitions(r: Reader) -> tuple[str, list[int]]:
    return r.old_string(), r.old_array(Reader.i32)


def describe_consumer(groups: Sequence[str]) -> Request[list[DescribedGroup]]:
    return Request(69, 0, array([string(g) for g in groups]) + FALSE + NO_TAGS, _consumer_groups)


def _consumer_groups(r: Reader) -> list[DescribedGroup]:
    r.i32()
    return r.array(_consumer_group)


def _consumer_group(r: Reader) -> DescribedGroup:
    error, _, group, state, epoch, assigned_epoch, _ = (
        r.i16(),
        r.maybe_string(),
        r.string(),
        r.string(),
        r.i32(),
        r.i32(),
        r.string(),
    )
    members = r.array(_consumer_member)
    r.i32()
    r.tags()
    return DescribedGroup(group, error, "consumer", state, tuple(members), epoch, assigned_epoch)


def _consumer_member(r: Reader) -> DescribedMember:
    member, _, _, epoch, client, host = (
        r.string(),
        r.maybe_string(),
        r.maybe_string(),
        r.i32(),
        r.string(),
        r.string(),
    )
    r.array(Reader.string)
    r.maybe_string()  # subscribed regex
    assigned, _ = _assignment(r), _assignment(r)
    r.tags()
    return DescribedMember(member, client, host, assigned, epoch)


def _assignment(r: Reader) -> dict[str, tuple[int, ...]]:
    assigned = dict(r.array(_named_partitions))
    r.tags()
    return assigned


def _named_partitions(r: Reader) -> tuple[str, tuple[int, ...]]:
    r.uuid()
    named = (r.string(), tuple(sorted(r.array(Reader.i32))))
    r.tags()
    return named


def offset_fetch(groups: Sequence[str]) -> Request[dict[str, CommittedOffsets]]:
    """Everything these groups have committed, by group."""
    return Request(9, 8, array([string(g) + NULL + NO_TAGS for g in groups]) + FALSE + NO_TAGS, _committed)


def _committed(r: Reader) -> dict[str, CommittedOffsets]:
    r.i32()
    return dict(r.array(_committed_group))


def _committed_group(r: Reader) -> tuple[str, CommittedOffsets]:
    name, topics, error = r.string(), r.array(_committed_topic), r.i16()
    r.tags()
    return name, CommittedOffsets(error, {topic: offsets for topic, offsets in topics if offsets})


def _committed_topic(r: Reader) -> tuple[str, dict[int, int]]:
    topic, partitions = r.string(), r.array(_committed_partition)
    r.tags()
    return topic, {index: offset for index, offset, error in partitions if not error and offset >= 0}


def _committed_partition(r: Reader) -> tuple[int, int, int]:
    index, offset, _, _, error = r.i32(), r.i64(), r.i32(), r.maybe_string(), r.i16()
    r.tags()
    return index, offset, error


def delete_groups(groups: Sequence[str]) -> Request[dict[str, int]]:
    """Of each group the error, 0 when it is gone."""
    return Request(42, 2, array([string(g) for g in groups]) + NO_TAGS, _deleted)


def _deleted(r: Reader) -> dict[str, int]:
    r.i32()
    return dict(r.array(_deleted_group))


def _deleted_group(r: Reader) -> tuple[str, int]:
    result = (r.string(), r.i16())
    r.tags()
    return result
