"""The class, now: one row per student, who is stuck and on what, and one sentence that says it all. Pure."""

import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from classroom.columns import LabColumn, TaskColumn
from classroom.facts import ClassFacts, Happened, StudentFacts
from classroom.marks import NOTHING, Mark, TaskFacts, mark_of, still_since, task_at
from classroom.presence import ALL, Presence, presence
from classroom.stuck import Reason
from sandboxes.console import words
from sandboxes.console.words import Kind
from sandboxes.lifecycle import OUTGROWN
from sandboxes.models import Sandbox

LATELY_S = 10 * 60.0
NO_SANDBOX = Kind(name="none", word="none", mark="gone", states=())
TaskKey = tuple[str, str]
_SANDBOX = "sandbox/"  # begins the key of a group that a sandbox which was given up makes


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a student is. since: when they came to it, seconds since the epoch; None for what they left."""

    label: str
    lab_id: str = ""
    since: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One student. marks: by lab and task; passed, of: over the whole course.

    given_up: why their sandbox failed, when it is not tried any more; "" otherwise.
    """

    id: int
    name: str
    presence: Presence
    sandbox: Kind
    marks: dict[TaskKey, Mark]
    passed: int
    of: int
    place: Place
    acted_at: float | None
    stuck: Reason | None
    given_up: str = ""

    def mark(self, task: TaskColumn) -> Mark:
        return self.marks.get((task.lab_id, task.id), NOTHING)

    @property
    def stamp(self) -> str:
        """Differs when anything of the row does, but not because time goes by."""
        return stamp_of(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Students with the same trouble. hint: the first of the cause.

    kind: "cause" (of a task), "quiet", "ours" (a check that broke), "sandbox" (it was given up, by our fault)
          or "outgrown" (by their own doing).

    key: in addresses. stuck: how many of them are stuck on it.
    """

    kind: str
    key: str
    rows: tuple[Row, ...]
    stuck: int
    cause: str = ""
    task: TaskColumn | None = None
    hint: str = ""

    @property
    def names(self) -> str:
        """`Ada Lovelace, Edsger Dijkstra and 5 more`."""
        shown = [row.name for row in self.rows[:3]]
        more = len(self.rows) - len(shown)
        return f"{', '.join(shown)}{f' and {more} more' if more else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of what happened just now."""

    happened: Happened
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """How many students there are of a presence."""

    name: str
    word: str
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Everything the class page shows, before anybody sorts or filters it."""

    rows: tuple[Row, ...]
    groups: tuple[Group, ...]
    feed: tuple[Line, ...]
    passed_by_task: dict[TaskKey, int]
    counts: tuple[Count, ...]
    lately: int
    stuck: int

    @property
    def given_up(self) -> int:
        """How many have a sandbox that failed and is not tried any more."""
        return sum(bool(row.given_up) for row in self.rows)

    @property
    def worst(self) -> Group | None:
        """The cause that holds up most."""
        return next((group for group in self.groups if group.kind == "cause" and group.stuck), None)


def room_of(facts: ClassFacts, labs: Sequence[LabColumn], *, now: float) -> Room:
    """The class as its rows say it is."""
    tasks = {(task.lab_id, task.id): task for lab in labs for task in lab.tasks}
    rows = tuple(_row(student, tasks, now) for student in facts.students)
    here = Counter(row.presence.name for row in rows)
    return Room(
        rows=rows,
        groups=_groups(rows, labs, tasks),
        feed=tuple(Line(happened=one, label=_label(tasks, one.lab_id, one.task_id)) for one in facts.feed),
        passed_by_task=_passed_by_task(rows),
        counts=tuple(Count(name=kind.name, word=kind.word, number=here[kind.name]) for kind in ALL),
        lately=sum(_passed_lately(student, now) for student in facts.students),
        stuck=sum(row.stuck is not None for row in rows),
    )


def _row(student: StudentFacts, tasks: dict[TaskKey, TaskColumn], now: float) -> Row:
    at = task_at(student.tasks)
    still = still_since(student.tasks, at.lab_id) if at else None
    marks = {
        (task.lab_id, task.task_id): mark_of(
            task, active_at=student.acted_at, now=now, still_since=still if task is at else None
        )
        for task in student.tasks
    }
    return Row(
        id=student.user.pk,
        name=student.user.shown_name,
        presence=presence(student.acted_at, now),
        sandbox=words.kind_of_sandbox(student.sandbox) if student.sandbox else NO_SANDBOX,
        marks=marks,
        passed=sum(mark.kind == "passed" for key, mark in marks.items() if key in tasks),
        of=len(tasks),
        place=_place(student, at, tasks),
        acted_at=student.acted_at,
        stuck=_worst_of(marks.values()),
        given_up=_given_up(student.sandbox),
    )


def _given_up(sandbox: Sandbox | None) -> str:
    return (sandbox.failure_cause or "unknown") if sandbox is not None and sandbox.is_given_up else ""


def _worst_of(marks: Iterable[Mark]) -> Reason | None:
    """A cause that comes back says more than silence; of two causes, the one that came back more often."""
    reasons = [mark.stuck for mark in marks if mark.stuck]
    return max(reasons, key=lambda reason: (reason.kind == "cause", reason.times), default=None)


def _place(student: StudentFacts, at: TaskFacts | None, tasks: dict[TaskKey, TaskColumn]) -> Place:
    if at is not None:
        since = [t.passed_at for t in student.tasks if t.lab_id == at.lab_id and t.passed_at]
        label = _label(tasks, at.lab_id, at.task_id)
        return Place(label=label, lab_id=at.lab_id, since=max([at.begun_at or 0.0, *since]))
    passed = [task for task in student.tasks if task.passed_at is not None]
    if not passed:
        return Place(label="paused" if student.tasks else "")
    # Tasks that were passed by one look have one time: then the last one in the course.
    order = {key: number for number, key in enumerate(tasks)}
    last = max(passed, key=lambda t: (t.passed_at or 0.0, order.get((t.lab_id, t.task_id), -1)))
    return Place(label=f"after {_label(tasks, last.lab_id, last.task_id)}")


def _label(tasks: dict[TaskKey, TaskColumn], lab_id: str, task_id: str) -> str:
    """`5.1.2`; a task that the course has no longer keeps its name."""
    known = tasks.get((lab_id, task_id))
    return known.label if known else f"{lab_id} {task_id}"


def _passed_lately(student: StudentFacts, now: float) -> bool:
    return any(task.passed_at is not None and now - task.passed_at <= LATELY_S for task in student.tasks)


def _passed_by_task(rows: Iterable[Row]) -> dict[TaskKey, int]:
    return Counter(key for row in rows for key, mark in row.marks.items() if mark.kind == "passed")


def _groups(
    rows: Iterable[Row], labs: Iterable[LabColumn], tasks: dict[TaskKey, TaskColumn]
) -> tuple[Group, ...]:
    """Whom the same thing holds up, the most first; what is ours comes last but is never left out."""
    found: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in rows:
        for key, mark in row.marks.items():
            if name := _trouble(key, mark):
                found[name][row.id] = row
        if row.given_up:
            found[f"{_SANDBOX}{row.given_up}"][row.id] = row
    hints = {f"{lab.id}/{cause}": ladder[0] for lab in labs for cause, ladder in lab.hints.items()}
    groups = [_group(name, tuple(who.values()), tasks, hints) for name, who in found.items()]
    return tuple(sorted(groups, key=_by_weight))


def _trouble(key: TaskKey, mark: Mark) -> str:
    """What a mark is counted under: `5.1/keys/KEY_MISSING`, "ours", "quiet", or nothing."""
    if mark.kind == "failed":
        return "/".join((*key, mark.cause))
    if mark.kind == "ours":
        return "ours"
    return "quiet" if mark.stuck else ""


def _group(
    name: str, rows: tuple[Row, ...], tasks: dict[TaskKey, TaskColumn], hints: dict[str, str]
) -> Group:
    if name in {"ours", "quiet"}:
        return Group(kind=name, key=name, rows=rows, stuck=len(rows) if name == "quiet" else 0)
    if name.startswith(_SANDBOX):
        cause = name.removeprefix(_SANDBOX)
        kind = "outgrown" if cause in OUTGROWN else "sandbox"
        return Group(kind=kind, key=name, cause=cause, rows=rows, stuck=0)
    lab_id, task_id, cause = name.split("/", 2)
    return Group(
        kind="cause",
        key=name,
        cause=cause,
        task=tasks.get((lab_id, task_id)),
        rows=rows,
        stuck=sum(_is_stuck_on(row.marks[lab_id, task_id]) for row in rows),
        hint=hints.get(f"{lab_id}/{cause}", ""),
    )


def _is_stuck_on(mark: Mark) -> bool:
    return mark.stuck is not None


def _by_weight(group: Group) -> tuple[bool, int, int, str]:
    return (group.kind == "ours", -group.stuck, -len(group.rows), group.key)


def stamp_of(shown: object) -> str:
    """A few letters that differ when what is shown does."""
    return f"{zlib.crc32(repr(shown).encode()):08x}"
