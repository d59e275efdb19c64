"""What lab 3.2 says of readers that are elsewhere, ended, or too many: only what the cluster proves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lessons.checks import GroupView, MemberView, ProgramView, State, Verdict
from lessons.grading import judge_lab
from lessons.judges import load_code
from lessons.labs import Lab
from lessons.sources import read_yaml
from lessons.stimulus import ActiveTask
from sandboxes.backends.base import PROGRAM_REASONS
from tests.lessons import labs
from tests.lessons.paper import PaperView, run_of

HERE = Path(__file__).parents[2] / "lessons/content/03-mental-model/labs/two-groups"
SPEC = Lab.model_validate(read_yaml(HERE / "lab.yaml").data)
CODE = load_code(SPEC, checks=(HERE / "checks.py").read_text(), workload="", name="3.2")
JUDGES = CODE.judges


def running(*programs: str, since: float = 1000.0) -> tuple[ProgramView, ...]:
    return tuple(
        run_of(f"two-groups/{name}.py", started_at=since, program_id=f"{name}-{n}")
        for n, name in enumerate(programs)
    )


def group(name: str, *shares: int) -> GroupView:
    """A group whose members own so many partitions each."""
    owners = [owner for owner, share in enumerate(shares) for _ in range(share)]
    members = tuple(
        MemberView(
            member_id=f"{name}-{n}",
            client_id=name,
            host="h",
            assigned=tuple(("mm-log", p) for p, owner in enumerate(owners) if owner == n),
        )
        for n in range(len(shares))
    )
    return GroupView(
        group_id=name,
        type="consumer",
        state="Stable",
        members=members,
        committed={("mm-log", p): 20 for p in range(3)},
    )


def view(
    runs: tuple[ProgramView, ...], *groups: GroupView, records: int = 60, partitions: int = 3
) -> PaperView:
    share = records // 3
    log = {"mm-log": [[b"n0nce"] * (share if p < 3 else 0) for p in range(partitions)]}
    return PaperView(now=1030.0, log=log, runs=runs, groups={one.group_id: one for one in groups})


def said(task: str, paper: PaperView) -> Verdict:
    return JUDGES[task](paper, labs.facts())


def graded(task: str, paper: PaperView) -> str:
    """What a student reads: the grader may have put another sentence in the judge's place."""
    active = [ActiveTask(task=SPEC.task(task), activated_at=990.0)]
    return judge_lab(CODE, labs.facts(), paper, active)[task].sentence


BOTH = running("audit", "notify")


def test_two_groups_that_have_read_it_all_pass() -> None:
    assert said("both", view(BOTH, group("audit", 3), group("notify", 3))).state is State.PASS


def test_both_in_one_group_are() -> None:
    assert said("both", view(BOTH, group("readers", 2, 1))).cause == "SAME_GROUP"
    assert said("both", view(BOTH, group("notify", 2, 1))).cause == "SAME_GROUP"


@pytest.mark.parametrize(
    ("runs", "groups"),
    [
        (
            running("audit", "notify", "notify"),
            [group("notify", 2, 1)],
        ),  # audit is in a group of another name
        (running("audit", "notify", "late"), [group("audit", 3), group("readers", 2, 1)]),
        (running("audit", "notify", "late"), [group("readers", 2, 1)]),  # whoever the two are
        (
            (*BOTH, replace(run_of("two-groups/notify.py"), ended_at=1010.0, signal=9, reason="killed")),
            [group("notify", 2, 1)],  # one of them may be the one that was killed
        ),
    ],
)
def test_members_that_may_be_others_accuse_nobody_of_sharing_a_group(
    runs: tuple[ProgramView, ...], groups: list[GroupView]
) -> None:
    verdict = said("both", view(runs, *groups))

    assert verdict.cause == "NEVER_JOINED"


@pytest.mark.parametrize(
    ("groups", "sentence"),
    [([], "neither group has a member"), ([group("audit", 3)], "the group notify has no member")],
)
def test_the_group_without_members_is_named(groups: list[GroupView], sentence: str) -> None:
    assert sentence in said("both", view(BOTH, *groups)).sentence


def ended(program: str, *, code: int = 0, reason: str = "") -> ProgramView:
    return replace(run_of(f"two-groups/{program}.py"), ended_at=1010.0, exit_code=code, reason=reason)


@pytest.mark.parametrize(
    ("runs", "records", "sentence"),
    [
        ((), 0, "Run fill.py, then start"),
        (running("fill"), 0, "fill.py is running"),
        ((ended("fill", code=1),), 0, "fill.py did not end well"),
        ((ended("fill"),), 30, "30 of 60 records of this attempt"),
        ((), 60, "Start audit.py and notify.py, and leave them running"),
        (running("notify"), 60, "Start audit.py, and leave it running"),
        ((*running("notify"), ended("audit", code=1)), 60, "audit.py has ended"),
        ((*running("notify"), ended("audit", reason="stopped")), 60, "Start audit.py, and leave it running"),
    ],
)
def test_what_is_missing_is_said_as_it_is(runs: tuple[ProgramView, ...], records: int, sentence: str) -> None:
    verdict = said("both", view(runs, records=records))

    assert (verdict.state, sentence in verdict.sentence) == (State.WAITING, True)


@pytest.mark.parametrize("reason", sorted(set(PROGRAM_REASONS) - {"stopped", "killed"}))
def test_a_reader_that_was_ended_is_told_for_what_reason_and_not_to_be_mended(reason: str) -> None:
    paper = view((*running("notify"), ended("audit", code=-9, reason=reason)))
    sentence = graded("both", paper)

    assert "audit.py" in sentence
    assert "stays until it is stopped" not in sentence
    assert "keeps it from its end" not in sentence  # a reader has none
    assert any(step in sentence.lower() for step in ("run it again", "start it again", "never rests"))


def test_nobody_is_to_mend_a_reader_that_ended_with_its_sandbox() -> None:
    for reason in ("sandbox_ended", "host_restart"):
        paper = view((*running("notify"), ended("audit", code=-9, reason=reason)))
        assert "the program is not to blame" in graded("both", paper)


@pytest.mark.parametrize(
    ("paper", "sentence"),
    [
        (view(running("audit", *["notify"] * 4), group("notify", 1, 1, 1, 0)), "4 copies of notify.py"),
        (view(running("notify", "notify"), group("notify", 2, 1)), "Start audit.py again"),
        (
            view(running("audit", "notify", "notify"), group("notify", 2, 2), partitions=4),
            "has 4 partitions now",
        ),
    ],
)
def test_what_keeps_a_second_copy_from_passing_is_said(paper: PaperView, sentence: str) -> None:
    verdict = said("second", paper)

    assert (verdict.state, sentence in verdict.sentence) == (State.WAITING, True)


def test_a_fourth_copy_in_a_group_of_its_own_is_a_mistake() -> None:
    verdict = said("idle", view(running("audit", *["notify"] * 4), group("notify", 1, 1, 1)))

    assert verdict.cause == "COPY_IN_OWN_GROUP"
    assert "the group notify has 3 members" in verdict.sentence


def test_five_copies_are_told_that_four_are_enough() -> None:
    verdict = said("idle", view(running("audit", *["notify"] * 5), group("notify", 1, 1, 1, 0, 0)))

    assert (verdict.state, "Four are enough" in verdict.sentence) == (State.WAITING, True)


def test_a_late_reader_that_crashed_is_not_told_to_start_only() -> None:
    assert "late.py has ended" in said("again", view((ended("late", code=1),))).sentence


def test_a_late_reader_without_a_place_is_asked_where_it_begins() -> None:
    lost = replace(group("late", 3), committed={})
    verdict = said("again", view(running("late"), lost))

    assert (verdict.state, "Where does it begin to read?" in verdict.sentence) == (State.WAITING, True)
