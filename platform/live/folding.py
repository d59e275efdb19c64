"""One group, after one more record of __consumer_offsets or one more description of it. Pure.

The states of a consumer group follow the broker's own rule (ConsumerGroup.maybeUpdateGroupState): no member
is
Empty, an epoch without a target is Assigning, a member behind its target is Reconciling, else Stable.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from live.decoders import (
    ClassicGroup,
    Commit,
    Decoded,
    GroupEpoch,
    MemberAssignment,
    MemberJoined,
    TargetEpoch,
)
from live.snapshots import Group, Member
from sandboxes.wire.groups import DescribedGroup

TopicName = Callable[[bytes], str | None]


def fold(group: Group | None, record: Decoded, topic_name: TopicName) -> Group | None:
    """The group after the record; None when it is gone. topic_name: name of a topic id, None when not
    known.
    """
    if isinstance(record, Commit):
        return _commit(group, record)
    if isinstance(record, ClassicGroup):
        return _classic(group, record)
    if isinstance(record, GroupEpoch):
        return _epoch(group, record)
    if isinstance(record, MemberJoined):
        return _settle(_joined(_consumer(group), record))
    if isinstance(record, TargetEpoch):
        return group if record.epoch is None else _settle(replace(_consumer(group), target=record.epoch))
    if isinstance(record, MemberAssignment):
        return _settle(_assigned(_consumer(group), record, topic_name))
    return group


def described(group: Group | None, seen: DescribedGroup) -> Group:
    """The group as the broker describes it now, with the commits already known."""
    members = {
        m.member: Member(id=m.member, client=m.client, host=m.host, assigned=dict(m.assigned), epoch=m.epoch)
        for m in seen.members
    }
    base = group if group is not None and group.kind == seen.kind else Group(kind=seen.kind, state="")
    generation = seen.epoch if seen.kind == "consumer" else base.generation
    return replace(
        base, state=seen.state, members=members, generation=generation, target=seen.assignment_epoch
    )


def _consumer(group: Group | None) -> Group:
    """The group to fold a KIP-848 record into: what came before it as classic is kept but for the members."""
    if group is None:
        return Group(kind="consumer", state="Empty")
    return (
        group
        if group.kind == "consumer"
        else replace(group, kind="consumer", members={}, generation=-1, target=-1)
    )


def _commit(group: Group | None, record: Commit) -> Group | None:
    if group is None:
        if record.offset is None:
            return None
        group = Group(kind="classic", state="Empty")  # commits alone make a group; a description follows
    offsets = {**group.committed.get(record.topic, {})}
    if record.offset is None:
        offsets.pop(record.partition, None)
    else:
        offsets[record.partition] = record.offset
    committed = {**group.committed, record.topic: offsets}
    if not offsets:
        del committed[record.topic]
    return replace(group, committed=committed)


def _classic(group: Group | None, record: ClassicGroup) -> Group | None:
    if record.members is None:  # also the tombstone that ends the classic life of an upgraded group
        return group if group is not None and group.kind == "consumer" else None
    if record.generation == 0 and group is not None and group.kind == "classic" and group.members:
        return group  # written when a group is made; a description that names members is newer than that
    members = {
        m.member: Member(id=m.member, client=m.client, host=m.host, assigned=dict(m.assigned))
        for m in record.members
    }
    state = "Stable" if members else "Empty"
    committed = group.committed if group else {}
    return Group(
        kind="classic", state=state, generation=record.generation, members=members, committed=committed
    )


def _epoch(group: Group | None, record: GroupEpoch) -> Group | None:
    if record.epoch is None:
        return None if group is None or group.kind == "consumer" else group
    return _settle(replace(_consumer(group), generation=record.epoch))


def _joined(group: Group, record: MemberJoined) -> Group:
    members = {**group.members}
    if record.client is None:
        members.pop(record.member, None)
    else:
        old = members.get(record.member) or Member(id=record.member, client="", host="", settled=False)
        members[record.member] = replace(old, client=record.client, host=record.host)
    return replace(group, members=members)


def _assigned(group: Group, record: MemberAssignment, topic_name: TopicName) -> Group:
    member = group.members.get(record.member)
    if member is None or record.epoch is None:
        return group
    held = _by_name(record.assigned, topic_name)
    settled = replace(member, epoch=record.epoch, assigned=held, settled=record.state == 0)
    return replace(group, members={**group.members, record.member: settled})


def _by_name(assigned: Mapping[bytes, tuple[int, ...]], topic_name: TopicName) -> dict[str, tuple[int, ...]]:
    return {
        name: partitions
        for topic_id, partitions in assigned.items()
        if partitions and (name := topic_name(topic_id))
    }


def _settle(group: Group) -> Group:
    state = _state(group)
    return group if group.state == state else replace(group, state=state)


def _state(group: Group) -> str:
    if not group.members:
        return "Empty"
    if group.generation > group.target:
        return "Assigning"
    if all(m.settled and m.epoch == group.target for m in group.members.values()):
        return "Stable"
    return "Reconciling"
