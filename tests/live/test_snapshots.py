"""Lag by its definition, and deltas: applying the patches to the old picture gives the new one, always."""

import json
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from live import deltas
from live.snapshots import Broker, Group, Member, Partition, Snapshot, Topic, as_json, lag

offsets = st.integers(0, 2**62)
few = st.integers(0, 3)
names = st.sampled_from(["orders", "payments", "audit"])
partitions = st.builds(Partition, start=few, end=st.integers(3, 9), leader=st.integers(-1, 2))
topics = st.builds(
    Topic,
    topic_id=st.sampled_from([b"a" * 16, b"b" * 16]),
    partitions=st.lists(partitions, max_size=3).map(tuple),
    internal=st.booleans(),
    viewed=st.booleans(),
)
assigned = st.dictionaries(names, st.lists(few, unique=True, max_size=3).map(sorted).map(tuple), max_size=2)
members = st.builds(Member, id=st.just("m"), client=names, host=st.just("/h"), assigned=assigned, epoch=few)
groups = st.builds(
    Group,
    kind=st.sampled_from(["classic", "consumer", "share"]),
    state=st.sampled_from(["Stable", "Empty", "Odd"]),
    generation=few,
    members=st.dictionaries(st.sampled_from("mno"), members, max_size=3),
    committed=st.dictionaries(names, st.dictionaries(few, few, min_size=1, max_size=3), max_size=2),
)
snapshots = st.builds(
    Snapshot,
    broker=st.builds(Broker, ok=st.booleans(), since=few, sentence=st.sampled_from(["", "x"])),
    topics=st.dictionaries(names, topics, max_size=3),
    groups=st.dictionaries(names, groups, max_size=3),
    knows_topics=st.just(True),
    knows_groups=st.just(True),
)


def as_sent(value: Any) -> Any:
    return json.loads(json.dumps(value))


@given(offsets, offsets, offsets)
def test_lag_is_never_negative_nor_more_than_what_is_kept(start: int, more: int, committed: int) -> None:
    found = lag(start=start, end=start + more, committed=committed)
    assert found is not None
    assert 0 <= found <= more


@given(offsets, offsets)
def test_an_uncommitted_partition_has_no_lag_rather_than_none_to_read(start: int, more: int) -> None:
    assert lag(start=start, end=start + more, committed=None) is None


@given(offsets, offsets, st.integers(0, 1000))
def test_a_commit_brings_the_lag_down_by_what_it_commits(start: int, read: int, left: int) -> None:
    end = start + read + left
    assert lag(start=start, end=end, committed=start + read) == left


@given(snapshots, snapshots)
def test_the_patches_turn_the_old_picture_into_the_new_one(old: Snapshot, new: Snapshot) -> None:
    state = as_sent(as_json(old))
    found = as_sent(deltas.patches(old, new))

    deltas.apply(state, found)

    assert state == as_sent(as_json(new))


@given(snapshots, snapshots)
def test_patches_applied_twice_change_nothing_more(old: Snapshot, new: Snapshot) -> None:
    state = as_sent(as_json(old))
    found = as_sent(deltas.patches(old, new))
    deltas.apply(state, found)
    deltas.apply(state, found)
    assert state == as_sent(as_json(new))


@given(snapshots)
def test_a_picture_that_did_not_change_says_nothing(snapshot: Snapshot) -> None:
    again = replace(snapshot, topics=dict(snapshot.topics), groups=dict(snapshot.groups))
    assert deltas.patches(snapshot, again) == []
    assert deltas.events(snapshot, again) == []


@given(snapshots, snapshots)
def test_every_event_has_a_kind_and_a_sentence(old: Snapshot, new: Snapshot) -> None:
    for event in deltas.events(old, new):
        assert event["kind"]
        assert event["sentence"].endswith((".", "x"))
        json.dumps(event)


UP = Broker(ok=True, since=0)
ORDERS = Topic(topic_id=b"a" * 16, partitions=(Partition(end=3, leader=1), Partition(leader=1)))
BASE = Snapshot(broker=UP, topics={"orders": ORDERS}, knows_topics=True, knows_groups=True)


def told(old: Snapshot, new: Snapshot) -> list[str]:
    return [event["sentence"] for event in deltas.events(old, new)]


def test_what_is_only_newly_seen_is_not_told_as_new() -> None:
    blind = Snapshot(broker=Broker(ok=False, since=0, sentence="The broker has not answered yet."))
    seeing = replace(BASE, groups={"audit": Group(kind="consumer", state="Stable")})

    assert told(blind, seeing) == ["The broker answers."]


def test_a_topic_made_anew_is_told_as_deleted_and_created_and_its_records_go() -> None:
    other = replace(ORDERS, topic_id=b"b" * 16, partitions=(Partition(end=9),))
    anew = replace(BASE, topics={"orders": other})

    assert told(BASE, anew) == ["Topic orders was deleted.", "Topic orders was created with 1 partition."]
    assert [value is None for _, value in deltas.patches(BASE, anew)] == [True, False]


def test_a_new_partition_is_appended_and_told() -> None:
    three = (*ORDERS.partitions, Partition(leader=1))
    wider = replace(BASE, topics={"orders": replace(ORDERS, partitions=three)})

    assert told(BASE, wider) == ["Topic orders now has 3 partitions."]
    assert deltas.patches(BASE, wider) == [
        (["topics", "orders", "partitions", 2], {"p": 2, "start": 0, "end": 0, "leader": 1})
    ]


def test_a_lost_leader_is_told_with_its_partition() -> None:
    lost = replace(ORDERS, partitions=(replace(ORDERS.partitions[0], leader=-1), ORDERS.partitions[1]))
    assert told(BASE, replace(BASE, topics={"orders": lost})) == ["orders-0 has no leader."]


def test_a_rebalance_is_told_as_who_came_who_went_and_who_reads_what() -> None:
    one = Member(id="m-1", client="audit-1", host="/h", assigned={"orders": (0, 1)})
    two = Member(id="m-2", client="audit-2", host="/h", assigned={"orders": (1,)})
    before = replace(BASE, groups={"audit": Group(kind="consumer", state="Stable", members={"m-1": one})})
    moved = {"m-1": replace(one, assigned={"orders": (0,)}), "m-2": two}
    after = replace(BASE, groups={"audit": Group(kind="consumer", state="Stable", members=moved)})

    assert told(before, after) == [
        "audit-1 now reads orders 0.",
        "audit-2 joined audit.",
        "audit-2 now reads orders 1.",
    ]
    assert told(after, before)[-1] == "audit-2 left audit."


def test_a_group_set_back_is_told_as_a_rewind() -> None:
    audit = Group(kind="classic", state="Empty", committed={"orders": {0: 5}})
    before = replace(BASE, groups={"audit": audit})
    after = replace(BASE, groups={"audit": replace(audit, committed={"orders": {0: 2}})})

    assert told(before, after) == ["audit was set back on orders-0, from offset 5 to 2."]
    assert told(after, before) == []
