"""Lab 3.2: two groups read one log, copies share it, one copy stands idle, and nothing is used up."""

from __future__ import annotations

from lessons.checks import (
    AttemptFacts,
    Evidence,
    Fail,
    GroupView,
    Pass,
    ProgramView,
    SandboxView,
    Verdict,
    Waiting,
    lag,
)

FOLDER, TOPIC = "two-groups", "mm-log"
PARTITIONS, COUNT = 3, 60
TIME_TO_JOIN = 20.0  # seconds; two heartbeats of 5 s are usual, a busy machine may need more


def both(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """audit and notify have each read the whole log, and the log still has it all."""
    if _records(view, attempt) < COUNT:
        return Waiting(
            "Run fill.py, then start audit.py and notify.py.", done=_records(view, attempt), of=COUNT
        )
    running = {name: _running(view, attempt, f"{name}.py") for name in ("audit", "notify")}
    if not all(running.values()):
        missing = " and ".join(f"{name}.py" for name, runs in running.items() if not runs)
        return Waiting(f"Start {missing} and leave it running.")
    groups = {name: _alive(view, name) for name in running}
    if not all(groups.values()):
        return _not_two_groups(view, running, groups)
    for name, group in groups.items():
        verdict = _caught_up(view, name, group, running[name])
        if verdict:
            return verdict
    return Pass(
        f"Both groups have read to the log end, and all {_records(view, attempt)} records are still there.",
        evidence=[_committed_row(group) for group in groups.values() if group],
    )


def second(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """A second copy of notify takes one or two partitions over; audit keeps its three."""
    audit, notify = _alive(view, "audit"), _alive(view, "notify")
    copies = _running(view, attempt, "notify.py")
    if len(copies) < 2:
        return Waiting("Start a second copy of notify.py.", done=len(copies), of=2)
    shares = _shares(notify)
    if shares == [1, 2] and _shares(audit) == [3]:
        return Pass(
            "notify is shared 2 and 1, audit still reads all three.", evidence=_owner_rows(notify, audit)
        )
    settled = view.now - copies[1].started_at > TIME_TO_JOIN
    if len(copies) == 2 and settled and len(shares) < 2:
        return Fail(
            "COPY_IN_OWN_GROUP",
            f"Two copies of notify.py are running; the group notify has {len(shares)} of them as members.",
            evidence=_owner_rows(notify, audit),
            look="groups",
        )
    return Waiting("Waiting until the two copies of notify share the three partitions.")


def idle(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Four members, three partitions: one member has none."""
    notify, topic = _alive(view, "notify"), view.topic(TOPIC)
    if topic is not None and len(topic.partitions) != PARTITIONS:
        return Fail(
            "PARTITIONS_CHANGED",
            f"{TOPIC} has {len(topic.partitions)} partitions now. It had {PARTITIONS}, and the fourth "
            "member was to find none left.",
            look="more",
        )
    shares = _shares(notify)
    if shares == [0, 1, 1, 1]:
        return Pass(
            "Four members, three partitions, one member without any.", evidence=_owner_rows(notify, None)
        )
    copies = len(_running(view, attempt, "notify.py"))
    return Waiting("Run four copies of notify.py in all.", done=min(copies, 4), of=4)


def again(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """A third group, started last, reads everything from the first record on."""
    running = _running(view, attempt, "late.py")
    if not running:
        return Waiting("Give late.py a group of its own, and start it.")
    group = _alive(view, "late")
    if group is None:
        if view.now - running[0].started_at > TIME_TO_JOIN:
            return Fail(
                "LATE_NOT_ALONE",
                "late.py is running, and there is no member in a group called late.",
                look="groups",
            )
        return Waiting("Waiting for late.py to join its group.")
    verdict = _caught_up(view, "late", group, running)
    if verdict:
        return Waiting("Waiting until late has read to the log end.")
    return Pass(
        f"late came last and read all {_records(view, attempt)} records. Nobody had used them up.",
        evidence=[_committed_row(group)],
    )


def _not_two_groups(
    view: SandboxView, running: dict[str, list[ProgramView]], groups: dict[str, GroupView | None]
) -> Verdict:
    youngest = max(run.started_at for runs in running.values() for run in runs[:1])
    if view.now - youngest < TIME_TO_JOIN:
        return Waiting("Waiting for audit.py and notify.py to join their groups.")
    shared = next((g for g in (*groups.values(), _alive(view, "readers")) if g and len(g.members) > 1), None)
    if shared:
        return Fail(
            "SAME_GROUP",
            f"audit.py and notify.py are both members of the group {shared.group_id}, so each sees only a "
            "part of the log.",
            evidence=_owner_rows(shared, None),
            look="groups",
        )
    missing = " and ".join(name for name, group in groups.items() if group is None)
    return Fail(
        "NEVER_JOINED",
        f"audit.py and notify.py are running, and nobody is a member of {missing}.",
        look="groups",
    )


def _caught_up(
    view: SandboxView, name: str, group: GroupView | None, runs: list[ProgramView]
) -> Verdict | None:
    """None when the group has committed up to the log end of every partition."""
    committed = group.committed_to(TOPIC) if group else {}
    offsets = view.offsets(TOPIC)
    behind = lag(offsets, committed)
    if all(left == 0 or offsets[p].end == offsets[p].start for p, left in behind.items()):
        return None
    owned = sum(_shares(group))
    if not committed and owned == PARTITIONS and view.now - runs[0].started_at > TIME_TO_JOIN:
        return Fail(
            "NOTHING_COMMITTED",
            f"{name} owns all three partitions, there are records in them, and it has saved no place in any.",
            evidence=_owner_rows(group, None),
            look="places",
        )
    return Waiting(
        f"{name} is still reading.", done=sum(1 for left in behind.values() if left == 0), of=PARTITIONS
    )


def _records(view: SandboxView, attempt: AttemptFacts) -> int:
    """Records of this attempt that the log holds now."""
    nonce = attempt.nonce.encode()
    return sum(nonce in (record.key or b"") for record in view.records(TOPIC, since=attempt.horizon))


def _running(view: SandboxView, attempt: AttemptFacts, program: str) -> list[ProgramView]:
    path = f"{FOLDER}/{program}"
    return [
        p for p in view.programs() if p.path == path and p.running and p.started_at >= attempt.activated_at
    ]


def _alive(view: SandboxView, name: str) -> GroupView | None:
    group = view.group(name)
    return group if group and group.members else None


def _shares(group: GroupView | None) -> list[int]:
    """How many partitions each member owns, smallest first."""
    return sorted(len(member.assigned) for member in group.members) if group else []


def _owner_rows(*groups: GroupView | None) -> list[Evidence]:
    return [
        Evidence(
            topic=TOPIC,
            note=f"{group.group_id}: {member.client_id} owns "
            + (", ".join(f"P{partition}" for _, partition in sorted(member.assigned)) or "nothing"),
        )
        for group in groups
        if group
        for member in group.members
    ]


def _committed_row(group: GroupView) -> Evidence:
    places = ", ".join(f"P{p} {offset}" for p, offset in sorted(group.committed_to(TOPIC).items()))
    return Evidence(topic=TOPIC, note=f"{group.group_id} has committed {places}")
