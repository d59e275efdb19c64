"""The parts of proving that need no Kafka: mutants, leaks and the ledger."""

import ast
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from lessons.catalog import Course, read_course
from lessons.checks import ViewUnavailable
from lessons.lab_folder import LabFolder
from lessons.management.commands.course_mutate import noticed, played
from lessons.proving.folders import solutions
from lessons.proving.ledger import read_ledger, sample, unproven
from lessons.proving.mutation import mutants
from lessons.proving.rehearsal import NothingProven, Rehearsal, RobotError
from lessons.proving.rooms import NoRoom, Room
from lessons.proving.texts import leak, secret_lines
from lessons.robots import Script, Step
from sandboxes.backends.base import BackendError, KafkaEndpoint, ProgramRun, Spec
from sandboxes.backends.memory import MemoryBackend
from tests import small_course
from tests.lessons import labs
from tests.lessons.paper import PaperView, SilentView

PROGRAM = """
producer = Producer(cluster())
for task in tasks():
    event = {"task_id": task.id, "actor": task.agent}
    producer.produce("orders", key=task.id, value=encode(event), headers=[("a", b"1"), ("b", b"2")])
print("sent")
left = producer.flush(30)
producer.flush()
"""
ENDPOINT = KafkaEndpoint(bootstrap_servers="localhost:1", cluster_id="c", username="u", password="p")
SOLUTION = "import json\n\nlines = [json.dumps(line) for line in open('orders.txt')]\nprint(lines)\n"


def course(folder: Path) -> Course:
    small_course.write(folder)
    solution = folder / "01-first/labs/one/solutions/reference"
    solution.mkdir(parents=True)
    (solution / "main.py").write_text(SOLUTION)
    return read_course(folder)


def lab(folder: Path) -> LabFolder:
    return course(folder).lessons[0].labs[0]


def test_mutants_are_programs_each_with_one_damage() -> None:
    made = list(mutants(PROGRAM))
    damages = {mutant.what.partition(": ")[2] for mutant in made}

    wanted = (
        "flush() left out",
        "produce() left out",
        "key= left out of produce()",
        "headers= left out of produce()",
        "the key made JSON",
        "produce() called twice",
        "'task_id' left out of a dict",
        "one pair left out",
        "the loop ends after its first pass",
    )
    assert damages >= set(wanted)
    assert len({mutant.text for mutant in made}) == len(made)
    assert all(ast.parse(mutant.text) for mutant in made)
    assert not any("print" in damage for damage in damages)


def test_lines_that_the_student_was_given_stay_whole() -> None:
    assert list(mutants(PROGRAM, given=PROGRAM)) == []


def test_a_brief_that_says_a_line_of_the_solution_leaks(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    assert leak(folder) == ""
    assert list(secret_lines(folder, solutions(folder)[0])) == [
        "lines = [json.dumps(line) for line in open('orders.txt')]"
    ]

    brief = tmp_path / "01-first/labs/one/brief.md"
    brief.write_text("Write `lines = [json.dumps(line)  for line in open('orders.txt')]` and run it.\n")

    assert "reference has the line" in leak(read_course(tmp_path).lessons[0].labs[0])


def test_a_lab_is_proven_until_its_content_changes(tmp_path: Path) -> None:
    before = course(tmp_path)
    ledger = read_ledger(tmp_path)
    assert unproven(before, ledger) == ["1.1"]

    ledger.prove(before.lessons[0].labs[0], 14, date(2026, 3, 4))
    ledger.save()
    assert unproven(before, read_ledger(tmp_path)) == []

    (tmp_path / "01-first/labs/one/solutions/reference/main.py").write_text("print('other')\n")
    assert unproven(read_course(tmp_path), read_ledger(tmp_path)) == ["1.1"]


def test_two_runs_at_once_keep_each_others_proofs(tmp_path: Path) -> None:
    read = course(tmp_path)
    mine, theirs = read_ledger(tmp_path), read_ledger(tmp_path)
    mine.prove(read.lessons[0].labs[0], 14, date(2026, 3, 4))
    theirs.prove_prose(read.lessons[0], date(2026, 3, 4))

    mine.save()
    theirs.save()

    after = read_ledger(tmp_path)
    assert (list(after.labs), list(after.prose)) == (["1.1"], ["first"])


def test_a_proof_keeps_what_the_mutants_of_another_run_came_to_meanwhile(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    mine = read_ledger(tmp_path)
    mine.prove(folder, 14, date(2026, 3, 4))
    mine.save()
    theirs = read_ledger(tmp_path)
    theirs.prove_mutants(folder, 9, 10)
    theirs.save()

    mine.save()

    assert read_ledger(tmp_path).labs["1.1"]["mutants"] == "9 of 10 caught"


def test_what_the_mutants_came_to_is_kept_while_the_content_is(tmp_path: Path) -> None:
    folder = lab(tmp_path)
    ledger = read_ledger(tmp_path)
    ledger.prove(folder, 14, date(2026, 3, 4))
    ledger.prove_mutants(folder, 9, 10)
    ledger.prove(folder, 14, date(2026, 3, 5))

    assert ledger.labs["1.1"]["mutants"] == "9 of 10 caught"


class Plays:
    """A damaged solution that is played again and again, and ends in these ways."""

    def __init__(self, *ends: bool | Exception) -> None:
        self.ends = list(ends)

    def __call__(self) -> bool:
        end = self.ends.pop(0)
        if isinstance(end, Exception):
            raise end
        return end


@pytest.mark.parametrize(
    ("ends", "verdict"),
    [
        ([False], True),
        ([True], False),
        ([RobotError("task keys did not pass")], True),
        ([NothingProven("the sandbox ended it"), False], True),
        ([NothingProven("it did not end"), True], False),
        ([NothingProven("the sandbox ended it"), NothingProven("again")], None),
        ([BackendError("The host is away."), False], True),
        ([BackendError("The host is away."), BackendError("Still away.")], None),
        ([NoRoom("the sandbox did not start in time"), ViewUnavailable("no answer")], None),
    ],
)
def test_a_mutant_that_the_machine_ended_is_tried_again_and_then_not_counted(
    ends: list[bool | Exception], verdict: bool | None
) -> None:
    outcome = noticed(Plays(*ends))

    assert outcome.caught is verdict
    assert outcome.why == ("" if verdict is not None else str(ends[-1]))


@pytest.mark.parametrize("reason", ["sandbox_ended", "host_restart"])
def test_a_program_that_the_sandbox_ended_proves_nothing(reason: str) -> None:
    room = Room(backend=MemoryBackend(), sandbox_id="a", endpoint=ENDPOINT)
    robot = Rehearsal(labs.code(), room, starter={}, seed=1)
    run = ProgramRun(program_id="p", path="lab/main.py", started_at=1.0, ended_at=2.0, reason=reason)

    with pytest.raises(NothingProven):
        robot._check_exit(Step(run="main.py"), run)


class OnPaper(Rehearsal):
    """A rehearsal that looks at paper, and began with an empty log."""

    def __init__(self) -> None:
        self.backend = MemoryBackend()
        room = Room(backend=self.backend, sandbox_id="a", endpoint=ENDPOINT)
        super().__init__(labs.code(), room, starter={}, seed=1)
        self.paper = PaperView(log={"orders": [[]]})
        self._facts = labs.facts(nonce=self.nonce, horizon={"orders": (0,)})

    def look(self) -> Any:
        return self.paper


@pytest.mark.parametrize("paper", [SilentView(), PaperView(log={"orders": [[]]})])
def test_a_sandbox_that_broke_while_a_mutant_was_played_has_noticed_nothing(paper: PaperView) -> None:
    robot = OnPaper()
    robot.backend.ensure(Spec(sandbox_id="a", profile="kafka-1"))
    robot.paper = paper

    outcome = noticed(lambda: played(robot, Script(steps=(Step(sleep=0.1),), settle=0.1)))

    assert outcome.caught is (None if isinstance(paper, SilentView) else True)


def test_a_rehearsal_knows_what_was_made_while_a_task_was_locked() -> None:
    robot = OnPaper()
    robot.paper.log["orders"][0] += [b"too early", b"too early"]
    robot.tick()
    robot.paper.log["orders"][0] += [robot.nonce.encode()] * 3

    robot.tick()

    assert {one.task.id: one.locked for one in robot.active} == {"first": {}, "second": {"orders": (2,)}}


def test_over_the_days_every_lab_has_its_turn() -> None:
    labs = ["1.1", "2.1", "3.1"]
    turns = {sample(labs, date(2026, 3, day))[0] for day in (1, 2, 3)}

    assert turns == set(labs)
    assert sample([], date(2026, 3, 1)) == []
