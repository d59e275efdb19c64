"""Consumer groups of a sandbox: what judges see of one, and its removal.

Not by librdkafka's admin client: when the connection to a group's coordinator drops at the wrong moment, an
assertion of its ends the process (its issue 4605), and eight tasks with it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sandboxes import brokers
from sandboxes.backends.base import KafkaEndpoint
from sandboxes.view import GroupView, MemberView
from sandboxes.wire.cluster import Cluster
from sandboxes.wire.errors import GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP, CorruptAnswer, Refused
from sandboxes.wire.groups import (
    CommittedOffsets,
    DescribedGroup,
    DescribedMember,
    delete_groups,
    describe_classic,
    describe_consumer,
    find_coordinator,
    offset_fetch,
)


def read(endpoint: KafkaEndpoint, group_id: str) -> GroupView | None:
    """The group and its commits; None when there is none. Raises ViewUnavailable, Refused."""

    async def questions(cluster: Cluster) -> GroupView | None:
        coordinator = await cluster.ask_any(find_coordinator(group_id))
        found = await _described(cluster, coordinator, group_id)
        if found is None:
            return None
        committed = (await cluster.ask(coordinator, offset_fetch([group_id]))).get(group_id)
        return _view(found, _granted(committed))

    return brokers.ask(endpoint, questions)


def remove(endpoint: KafkaEndpoint, group_id: str) -> bool:
    """Delete a group or find none; False while it has members. Raises ViewUnavailable, Refused."""

    async def questions(cluster: Cluster) -> bool:
        coordinator = await cluster.ask_any(find_coordinator(group_id))
        error = (await cluster.ask(coordinator, delete_groups([group_id]))).get(group_id)
        if error is None:
            raise CorruptAnswer("an answer about another group")
        if error and error not in {GROUP_ID_NOT_FOUND, NON_EMPTY_GROUP}:
            raise Refused("delete group", error)
        return error != NON_EMPTY_GROUP

    return brokers.ask(endpoint, questions)


async def _described(cluster: Cluster, coordinator: int, group_id: str) -> DescribedGroup | None:
    """Asked for as the newer kind (KIP-848) first: asked for as the older one, what is none is "Dead"."""
    found = _only(await cluster.ask(coordinator, describe_consumer([group_id])))
    if found.error == GROUP_ID_NOT_FOUND:
        found = _only(await cluster.ask(coordinator, describe_classic([group_id])))
    if found.error:
        raise Refused("describe group", found.error)
    return None if found.state == "Dead" else found


def _only(found: Sequence[DescribedGroup]) -> DescribedGroup:
    if len(found) != 1:
        raise CorruptAnswer(f"{len(found)} groups instead of one")
    return found[0]


def _granted(found: CommittedOffsets | None) -> dict[tuple[str, int], int]:
    if found is None:
        raise CorruptAnswer("commits of another group")
    if found.error:
        raise Refused("fetch offsets", found.error)
    return {
        (topic, partition): offset
        for topic, partitions in found.offsets.items()
        for partition, offset in partitions.items()
    }


def _view(found: DescribedGroup, committed: dict[tuple[str, int], int]) -> GroupView:
    return GroupView(
        group_id=found.group,
        type=found.kind,
        state=found.state,
        members=tuple(_member(member) for member in sorted(found.members, key=lambda m: m.member)),
        committed=committed,
    )


def _member(member: DescribedMember) -> MemberView:
    places = sorted((topic, number) for topic, numbers in member.assigned.items() for number in numbers)
    return MemberView(
        member_id=member.member, client_id=member.client, host=member.host, assigned=tuple(places)
    )
