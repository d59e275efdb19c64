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
    State,
    Verdict,
    Waiting,
    lag,
)

FOLDER, TOPIC = "two-groups", "mm-log"
PARTITIONS, COUNT = 3, 60
TIME_TO_JOIN = 20.0  # seconds; two heartbeats of 5 s are usual, a busy machine may need more
TIME_TO_LEAVE = 60.0  # seconds: one that was killed stays a member until its session has run out
BY_ITS_OWNER = ("stopped", "killed")


def both(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """audit and notify have each read the whole log, and the log still has it all."""
    if _records(view, attempt) < COUNT:
        return _not_filled(view, attempt)
    running = {name: _running(view, attempt, f"{name}.py") for name in ("audit", "notify")}
    if not all(running.values()):
        return _not_started([f"{name}.py" for name, runs in running.items() if not runs], view, attempt)
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
    if _partitions(view) != PARTITIONS:
        return Waiting(
            f"{TOPIC} has {_partitions(view)} partitions now, and this lab is about {PARTITIONS}. Reset the "
            "lab: the topic comes back as it was."
        )
    if len(copies) < 2:
        return Waiting("Start a second copy of notify.py.", done=len(copies), of=2)
    if len(copies) > 2:
        return Waiting(f"{len(copies)} copies of notify.py are running. Stop all but two of them for now.")
    shares = _shares(notify)
    if shares == [1, 2] and not _running(view, attempt, "audit.py"):
        return Waiting("notify is shared 2 and 1. Start audit.py again: it is to go on reading meanwhile.")
    if shares == [1, 2] and _shares(audit) == [3]:
        return Pass(
            "notify is shared 2 and 1, audit still reads all three.", evidence=_owner_rows(notify, audit)
        )
    settled = view.now - copies[1].started_at > TIME_TO_JOIN
    if len(copies) == 2 and settled and len(shares) < 2:
        return Fail(
            "COPY_IN_OWN_GROUP",
            f"Two copies of notify.py are running, and the group notify has {_members(len(shares))}.",
            evidence=_owner_rows(notify, audit),
            look="groups",
        )
    return Waiting("Waiting until the two copies of notify share the three partitions.")


def idle(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Four members, three partitions: one member has none."""
    notify = _alive(view, "notify")
    if _partitions(view) != PARTITIONS:
        return Fail(
            "PARTITIONS_CHANGED",
            f"{TOPIC} has {_partitions(view)} partitions now. It had {PARTITIONS}, and the fourth "
            "member was to find none left.",
            look="more",
        )
    shares = _shares(notify)
    if shares == [0, 1, 1, 1]:
        return Pass(
            "Four members, three partitions, one member without any.", evidence=_owner_rows(notify, None)
        )
    copies = _running(view, attempt, "notify.py")
    if len(copies) < 4:
        return Waiting("Run four copies of notify.py in all.", done=len(copies), of=4)
    if len(copies) > 4:
        return Waiting(f"{len(copies)} copies of notify.py are running. Four are enough: stop the others.")
    if view.now - copies[3].started_at > TIME_TO_JOIN and len(shares) < 4:
        return Fail(
            "COPY_IN_OWN_GROUP",
            f"Four copies of notify.py are running, and the group notify has {_members(len(shares))}.",
            evidence=_owner_rows(notify),
            look="groups",
        )
    return Waiting("Waiting until the four copies of notify have dealt the partitions out.", done=4, of=4)


def again(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """A third group, started last, reads everything from the first record on."""
    running = _running(view, attempt, "late.py")
    if not running and _last_ended(view, attempt, "late.py"):
        return _not_started(["late.py"], view, attempt)
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
    if verdict and verdict.state is State.FAIL:
        return Waiting("late owns the partitions and has saved no place in any. Where does it begin to read?")
    if verdict:
        return verdict
    return Pass(
        f"late came last, and stands at the log end as well. All {_records(view, attempt)} records are still "
        "there: nobody has used them up.",
        evidence=[_committed_row(group)],
    )


def _not_two_groups(
    view: SandboxView, running: dict[str, list[ProgramView]], groups: dict[str, GroupView | None]
) -> Verdict:
    youngest = max(run.started_at for runs in running.values() for run in runs[:1])
    if view.now - youngest < TIME_TO_JOIN:
        return Waiting("Waiting for audit.py and notify.py to join their groups.")
    if shared := _shared(view, running, groups):
        return Fail(
            "SAME_GROUP",
            f"audit.py and notify.py are both members of the group {shared.group_id}, so each sees only a "
            "part of the log.",
            evidence=_owner_rows(shared, None),
            look="groups",
        )
    missing = [name for name, group in groups.items() if group is None]
    nobody = f"the group {missing[0]} has no member" if len(missing) == 1 else "neither group has a member"
    return Fail("NEVER_JOINED", f"audit.py and notify.py are running, and {nobody}.", look="groups")


def _shared(
    view: SandboxView, running: dict[str, list[ProgramView]], groups: dict[str, GroupView | None]
) -> GroupView | None:
    """The one group that every copy of both programs must be in, by its number of members; or None.

    Members do not say which program they are. So others that may be in it are counted as if they were:
    late.py, and what was killed so short a time ago that its session may go on.
    """
    alive = [group for group in (*groups.values(), _alive(view, "readers")) if group]
    if len(alive) != 1:
        return None
    others = 0 if _alive(view, "late") else 1
    others *= sum(run.running and run.path == f"{FOLDER}/late.py" for run in view.programs())
    gone = sum(run.signal == 9 and view.now - (run.ended_at or 0) < TIME_TO_LEAVE for run in view.programs())
    copies = sum(len(runs) for runs in running.values())
    return alive[0] if len(alive[0].members) >= copies + others + gone else None


def _not_filled(view: SandboxView, attempt: AttemptFacts) -> Verdict:
    there = _records(view, attempt)
    runs = [run for run in _runs(view, attempt, "fill.py") if run.running or run.exit_code != 0]
    if not _runs(view, attempt, "fill.py"):
        return Waiting("Run fill.py, then start audit.py and notify.py.", done=there, of=COUNT)
    if runs and runs[-1].running:
        return Waiting("fill.py is running.", done=there, of=COUNT)
    if runs and runs[-1] == _runs(view, attempt, "fill.py")[-1]:
        return Waiting(
            "fill.py did not end well. Read its last lines, and run it again.", done=there, of=COUNT
        )
    return Waiting(
        f"fill.py has ended, and {there} of {COUNT} records of this attempt are in {TOPIC}. It was given "
        "complete: have it as it was, and run it again.",
        done=there,
        of=COUNT,
    )


def _not_started(programs: list[str], view: SandboxView, attempt: AttemptFacts) -> Verdict:
    """Which programs are to be started; one that ended by itself is to be mended first."""
    for program in programs:
        run = _last_ended(view, attempt, program)
        if run and run.reason == "time":
            return Waiting(f"{program} has run for as long as a program may, and was ended. Start it again.")
        if run and run.reason and run.reason not in BY_ITS_OWNER:
            return Waiting(f"{program} did not end well. Start it again.")  # the grader says for what reason
        if run and not run.reason:
            return Waiting(
                f"{program} has ended. A reader stays until it is stopped: read its last lines, mend it and "
                "start it again."
            )
    them = "it" if len(programs) == 1 else "them"
    return Waiting(f"Start {' and '.join(programs)}, and leave {them} running.")


def _caught_up(
    view: SandboxView, name: str, group: GroupView | None, runs: list[ProgramView]
) -> Verdict | None:
    """None when the group has committed up to the log end of every partition."""
    committed = group.committed_to(TOPIC) if group else {}
    offsets = view.offsets(TOPIC)
    behind = lag(offsets, committed)
    done = sum(left == 0 or offsets[p].end == offsets[p].start for p, left in behind.items())
    if done == len(behind):
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
        f"Waiting until {name} has committed the log end of every partition.", done=done, of=len(behind)
    )


def _records(view: SandboxView, attempt: AttemptFacts) -> int:
    """Records of this attempt that the log holds now."""
    nonce = attempt.nonce.encode()
    return sum(
        nonce in (record.key or b"") or nonce in (record.value or b"")
        for record in view.records(TOPIC, since=attempt.horizon, isolation="read_committed")
    )


def _runs(view: SandboxView, attempt: AttemptFacts, program: str) -> list[ProgramView]:
    path = f"{FOLDER}/{program}"
    return [run for run in view.programs() if run.path == path and run.started_at >= attempt.activated_at]


def _running(view: SandboxView, attempt: AttemptFacts, program: str) -> list[ProgramView]:
    return [run for run in _runs(view, attempt, program) if run.running]


def _last_ended(view: SandboxView, attempt: AttemptFacts, program: str) -> ProgramView | None:
    """The last run of a program, if that has ended."""
    last = next(reversed(_runs(view, attempt, program)), None)
    return None if last is None or last.running else last


def _partitions(view: SandboxView) -> int:
    topic = view.topic(TOPIC)
    return len(topic.partitions) if topic else PARTITIONS


def _members(count: int) -> str:
    return f"{count or 'no'} member{'' if count == 1 else 's'}"


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
