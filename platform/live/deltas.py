"""Two snapshots in; out come the patches that turn one into the other, and the events a person would tell.

Pure. A patch is [path, value] with an absolute value: null removes, an index equal to the length appends, and
every parent on the path is there already. Applying a patch twice is applying it once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from live import snapshots
from live.snapshots import Group, Member, Snapshot, Topic

Path = list[str | int]
Patch = tuple[Path, Any]
Event = dict[str, Any]


def patches(old: Snapshot, new: Snapshot) -> list[Patch]:
    """What a viewer who holds `old` must set to hold `new`."""
    found: list[Patch] = []
    if old.broker != new.broker:
        found.append((["broker"], snapshots.broker_json(new.broker)))
    found += _topic_patches(old.topics, new.topics)
    found += _group_patches(old.groups, new.groups)
    return found


def events(old: Snapshot, new: Snapshot) -> list[Event]:
    """What happened between the two, in the order in which it is told. No time stamps: the caller knows the
    time.
    """
    told = list(_broker_events(old, new))
    if old.knows_topics:
        told += _topic_events(old.topics, new.topics)
    if old.knows_groups:
        told += _group_events(old.groups, new.groups)
    return told


def apply(state: dict[str, Any], found: list[Patch]) -> None:
    """Set patches on a JSON state in place, as a browser does; for tests and for merging what a slow viewer
    gets.
    """
    for path, value in found:
        *parents, last = path
        at: Any = state
        for step in parents:
            at = at[step]
        if value is None:
            at.pop(last, None)
        elif isinstance(at, list) and last == len(at):
            at.append(value)
        else:
            at[last] = value


# -- Patches -------------------------------------------------------------------------------------------------


def _changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Name, old and new value of every entry that is not the same; None stands for absent."""
    for name, value in new.items():
        before = old.get(name)
        if before is not value and before != value:
            yield name, before, value
    for name in old.keys() - new.keys():
        yield name, old[name], None


def _topic_patches(old: Mapping[str, Topic], new: Mapping[str, Topic]) -> Iterator[Patch]:
    for name, before, topic in _changed(old, new):
        path: Path = ["topics", name]
        if topic is None:
            yield path, None
        elif before is None:
            yield path, snapshots.topic_json(topic)
        elif before.topic_id != topic.topic_id or len(topic.partitions) < len(before.partitions):
            yield path, None  # its records are another topic's
            yield path, snapshots.topic_json(topic)
        else:
            yield from _inside_topic(path, before, topic)


def _inside_topic(path: Path, old: Topic, new: Topic) -> Iterator[Patch]:
    for key in ("internal", "viewed"):
        if getattr(old, key) != getattr(new, key):
            yield [*path, key], getattr(new, key)
    for index, partition in enumerate(new.partitions):
        at: Path = [*path, "partitions", index]
        if index >= len(old.partitions):
            yield at, snapshots.partition_json(index, partition)
            continue
        before = old.partitions[index]
        for key in ("start", "end", "leader"):
            if getattr(before, key) != getattr(partition, key):
                yield [*at, key], getattr(partition, key)


def _group_patches(old: Mapping[str, Group], new: Mapping[str, Group]) -> Iterator[Patch]:
    for name, before, group in _changed(old, new):
        path: Path = ["groups", name]
        if group is None:
            yield path, None
        elif before is None or before.kind != group.kind:
            yield path, snapshots.group_json(group)
        else:
            yield from _inside_group(path, before, group)


def _inside_group(path: Path, old: Group, new: Group) -> Iterator[Patch]:
    for key in ("state", "generation"):
        if getattr(old, key) != getattr(new, key):
            yield [*path, key], getattr(new, key)
    members = snapshots.members_json(new.members)
    if old.members is not new.members and snapshots.members_json(old.members) != members:
        yield [*path, "members"], members
    for topic, before, offsets in _changed(old.committed, new.committed):
        at: Path = [*path, "committed", topic]
        if before is None or offsets is None:
            yield at, None if offsets is None else snapshots.committed_json(offsets)
        else:
            yield from (([*at, str(p)], offset) for p, _, offset in _changed(before, offsets))


# -- Events --------------------------------------------------------------------------------------------------


def _broker_events(old: Snapshot, new: Snapshot) -> Iterator[Event]:
    if (old.broker.ok, old.broker.sentence) != (new.broker.ok, new.broker.sentence):
        yield {
            "kind": "broker",
            "ok": new.broker.ok,
            "sentence": new.broker.sentence or "The broker answers.",
        }


def _topic_events(old: Mapping[str, Topic], new: Mapping[str, Topic]) -> Iterator[Event]:
    for name, before, topic in _changed(old, new):
        if before is not None and (topic is None or before.topic_id != topic.topic_id):
            yield {"kind": "topic_deleted", "topic": name, "sentence": f"Topic {name} was deleted."}
        if topic is not None:
            is_new = before is None or before.topic_id != topic.topic_id
            yield from _created(name, topic) if is_new else _inside_topic_events(name, before, topic)


def _created(name: str, topic: Topic) -> Iterator[Event]:
    count = len(topic.partitions)
    sentence = f"Topic {name} was created with {count} {_plural('partition', count)}."
    yield {"kind": "topic_created", "topic": name, "partitions": count, "sentence": sentence}


def _inside_topic_events(name: str, old: Topic, new: Topic) -> Iterator[Event]:
    if len(new.partitions) > len(old.partitions):
        sentence = f"Topic {name} now has {len(new.partitions)} partitions."
        yield {
            "kind": "partitions_added",
            "topic": name,
            "partitions": len(new.partitions),
            "sentence": sentence,
        }
    for index, (before, now) in enumerate(zip(old.partitions, new.partitions, strict=False)):
        if before.leader != now.leader:
            where = f"is led by broker {now.leader}" if now.leader >= 0 else "has no leader"
            yield {
                "kind": "leader",
                "topic": name,
                "p": index,
                "from": before.leader,
                "to": now.leader,
                "sentence": f"{name}-{index} {where}.",
            }


def _group_events(old: Mapping[str, Group], new: Mapping[str, Group]) -> Iterator[Event]:
    for name, before, group in _changed(old, new):
        if group is None:
            yield {"kind": "group_deleted", "group": name, "sentence": f"Group {name} was deleted."}
            continue
        known = before.members if before else {}
        yield from _member_events(name, known, group.members)
        if before is None or before.state != group.state:
            yield _state_event(name, before.state if before else "", group.state)
        if before is not None:
            yield from _rewinds(name, before, group)


def _state_event(name: str, old: str, new: str) -> Event:
    sentence = _STATES.get(new, "{} is in state " + new + ".").format(name)
    return {"kind": "group_state", "group": name, "from": old, "to": new, "sentence": sentence}


_STATES = {
    "Stable": "{} is stable: every member reads what it was given.",
    "Empty": "{} has no members; its commits stay.",
    "Assigning": "{} is working out who reads what.",
    "Reconciling": "{} is handing partitions over.",
    "PreparingRebalance": "{} is rebalancing: it waits for its members.",
    "CompletingRebalance": "{} is rebalancing: partitions are being given out.",
    "Dead": "{} is gone.",
}


def _member_events(group: str, old: Mapping[str, Member], new: Mapping[str, Member]) -> Iterator[Event]:
    for member_id, before, member in _changed(old, new):
        who = member or before
        about = {"group": group, "member": member_id, "client": who.client}
        if member is None:
            yield {"kind": "member_left", **about, "sentence": f"{who.client} left {group}."}
            continue
        if before is None:
            yield {"kind": "member_joined", **about, "sentence": f"{who.client} joined {group}."}
        yield from _assignment(about, before.assigned if before else {}, member.assigned)


def _assignment(
    about: Mapping[str, str], old: Mapping[str, tuple[int, ...]], new: Mapping[str, tuple[int, ...]]
) -> Iterator[Event]:
    gained, lost = _without(new, old), _without(old, new)
    if gained or lost:
        sentence = (
            f"{about['client']} now reads {_named(new)}." if new else f"{about['client']} now reads nothing."
        )
        yield {"kind": "assignment", **about, "gained": gained, "lost": lost, "sentence": sentence}


def _without(
    some: Mapping[str, tuple[int, ...]], others: Mapping[str, tuple[int, ...]]
) -> dict[str, list[int]]:
    left = {
        topic: [p for p in partitions if p not in others.get(topic, ())] for topic, partitions in some.items()
    }
    return {topic: partitions for topic, partitions in left.items() if partitions}


def _named(assigned: Mapping[str, tuple[int, ...]]) -> str:
    return "; ".join(
        f"{topic} {', '.join(map(str, partitions))}" for topic, partitions in sorted(assigned.items())
    )


def _rewinds(name: str, old: Group, new: Group) -> Iterator[Event]:
    for topic, before, offsets in _changed(old.committed, new.committed):
        for partition, offset in (offsets or {}).items():
            was = (before or {}).get(partition, -1)
            if offset < was:
                sentence = f"{name} was set back on {topic}-{partition}, from offset {was} to {offset}."
                yield {
                    "kind": "rewind",
                    "group": name,
                    "topic": topic,
                    "p": partition,
                    "from": was,
                    "to": offset,
                    "sentence": sentence,
                }


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
