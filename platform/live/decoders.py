"""What the records of __consumer_offsets mean: commits, and every step of a group's life. Pure.

Layouts: common/message/*.json in the group coordinator's jar of Kafka 4.3.1. A key starts with its kind; a
value
with its version. What is not known comes back as Undecoded: said once, never guessed, never fatal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sandboxes.wire.errors import CorruptAnswer
from sandboxes.wire.groups import assigned_in
from sandboxes.wire.primitives import Reader


@dataclass(frozen=True, slots=True)
class Commit:
    """offset: the next one to read; None when the commit was removed."""

    group: str
    topic: str
    partition: int
    offset: int | None


@dataclass(frozen=True, slots=True)
class ClassicMember:
    member: str
    client: str
    host: str
    assigned: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class ClassicGroup:
    """The whole group after a rebalance; members is None when the group was removed."""

    group: str
    generation: int
    protocol: str
    members: tuple[ClassicMember, ...] | None


@dataclass(frozen=True, slots=True)
class GroupEpoch:
    """epoch: grows when members or subscriptions change; None when the group was removed."""

    group: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class MemberJoined:
    """client is None when the member left."""

    group: str
    member: str
    client: str | None
    host: str


@dataclass(frozen=True, slots=True)
class TargetEpoch:
    """The epoch for which assignments were last worked out."""

    group: str
    epoch: int | None


@dataclass(frozen=True, slots=True)
class MemberAssignment:
    """What a member holds now, by topic id; epoch is None when it is gone.

    state: 0 has all it was given, 1 must give some up first, 2 waits for others to give up.
    """

    group: str
    member: str
    epoch: int | None
    state: int
    assigned: Mapping[bytes, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Planned:
    """A record whose content the picture does not use (targets, subscriptions): seen and understood."""

    group: str


@dataclass(frozen=True, slots=True)
class Undecoded:
    """A kind or version that is not known, or bytes that do not follow it."""

    kind: int
    version: int


Decoded = (
    Commit | ClassicGroup | GroupEpoch | MemberJoined | TargetEpoch | MemberAssignment | Planned | Undecoded
)


def decode(key: bytes | None, value: bytes | None) -> Decoded:
    """One record; never raises."""
    kind = int.from_bytes(key[:2], "big", signed=True) if key and len(key) >= _KIND_BYTES else -1
    version = int.from_bytes(value[:2], "big", signed=True) if value and len(value) >= _KIND_BYTES else -1
    entry = _KINDS.get(kind)
    if key is None or entry is None or (value is not None and version not in entry[0]):
        return Undecoded(kind, version)
    try:
        return entry[1](
            Reader(key, _KIND_BYTES), version, None if value is None else Reader(value, _KIND_BYTES)
        )
    except (CorruptAnswer, UnicodeDecodeError):
        return Undecoded(kind, version)


_KIND_BYTES = 2
_FLEXIBLE_COMMIT = 4
_FLEXIBLE_CLASSIC = 4


def _commit(key: Reader, version: int, value: Reader | None) -> Commit:
    group, topic, partition = key.old_string(), key.old_string(), key.i32()
    return Commit(group, topic, partition, None if value is None else value.i64())


def _classic(key: Reader, version: int, value: Reader | None) -> ClassicGroup:
    group = key.old_string()
    if value is None:
        return ClassicGroup(group, -1, "", None)
    flexible = version >= _FLEXIBLE_CLASSIC
    text, maybe = (
        (Reader.string, Reader.maybe_string) if flexible else (Reader.old_string, Reader.old_maybe_string)
    )
    kind, generation = text(value), value.i32()
    maybe(value), maybe(value)  # protocol, leader
    if version >= 2:
        value.i64()
    member = _classic_member(version, kind == "consumer")
    return ClassicGroup(
        group, generation, kind, tuple(value.array(member) if flexible else value.old_array(member))
    )


def _classic_member(version: int, is_consumer: bool) -> Callable[[Reader], ClassicMember]:
    flexible = version >= _FLEXIBLE_CLASSIC
    text, maybe = (
        (Reader.string, Reader.maybe_string) if flexible else (Reader.old_string, Reader.old_maybe_string)
    )

    def read(r: Reader) -> ClassicMember:
        member = text(r)
        if version >= 3:
            maybe(r)
        client, host = text(r), text(r)
        if version >= 1:
            r.i32()  # rebalance time-out
        r.i32()  # session time-out
        _, assignment = _blob(r, flexible), _blob(r, flexible)
        if flexible:
            r.tags()
        return ClassicMember(member, client, host, assigned_in(assignment) if is_consumer else {})

    return read


def _blob(r: Reader, flexible: bool) -> bytes:
    return (r.maybe_bytes() or b"") if flexible else r.old_bytes()


def _group_epoch(key: Reader, version: int, value: Reader | None) -> GroupEpoch:
    return GroupEpoch(key.old_string(), None if value is None else value.i32())


def _member(key: Reader, version: int, value: Reader | None) -> MemberJoined:
    group, member = key.old_string(), key.old_string()
    if value is None:
        return MemberJoined(group, member, None, "")
    value.maybe_string(), value.maybe_string()  # instance, rack
    return MemberJoined(group, member, value.string(), value.string())


def _target_epoch(key: Reader, version: int, value: Reader | None) -> TargetEpoch:
    return TargetEpoch(key.old_string(), None if value is None else value.i32())


def _current(key: Reader, version: int, value: Reader | None) -> MemberAssignment:
    group, member = key.old_string(), key.old_string()
    if value is None:
        return MemberAssignment(group, member, None, 0, {})
    epoch, _, state = value.i32(), value.i32(), value.i8()
    assigned, pending = dict(value.array(_by_id)), dict(value.array(_by_id))
    # Until a member has confirmed giving a partition up it still reads it.
    held = {
        topic: tuple(sorted({*assigned.get(topic, ()), *pending.get(topic, ())}))
        for topic in assigned | pending
    }
    return MemberAssignment(group, member, epoch, state, held)


def _by_id(r: Reader) -> tuple[bytes, tuple[int, ...]]:
    entry = (r.uuid(), tuple(sorted(r.array(Reader.i32))))
    r.tags()
    return entry


def _planned(key: Reader, version: int, value: Reader | None) -> Planned:
    return Planned(key.old_string())


_Decoder = Callable[[Reader, int, Reader | None], Decoded]
_KINDS: Mapping[int, tuple[range, _Decoder]] = {
    0: (range(5), _commit),
    1: (range(5), _commit),
    2: (range(5), _classic),
    3: (range(1), _group_epoch),
    4: (range(1), _planned),
    5: (range(1), _member),
    6: (range(1), _target_epoch),
    7: (range(1), _planned),
    8: (range(1), _current),
    16: (range(1), _planned),
}
