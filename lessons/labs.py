"""The typed form of lab.yaml: what a lab asks, owns, prepares, does to the sandbox and hints at.

Plain data, checked when a course is loaded. Knows nothing of the database or of any sandbox.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

Slug = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$", max_length=60)]
Ident = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=60)]
Cause = Annotated[str, StringConstraints(pattern=r"^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$", max_length=60)]
LabId = Annotated[str, StringConstraints(pattern=r"^\d{1,2}\.\d{1,2}$")]
TopicName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$", min_length=1, max_length=200)]
FilePath = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*$")
]
Sentence = Annotated[str, StringConstraints(min_length=1, max_length=600, strip_whitespace=True)]
FaultName = Literal["broker_stop", "broker_kill", "latency", "cut", "drop_responses"]

HINT_STEPS = 3


class Written(BaseModel):
    """What an author wrote: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def stored(cls, data: object) -> Self:
        """The same from the database, where it may have fields that were known when it was stored."""
        return cls.model_validate(data, extra="ignore")


class TopicSetup(Written):
    """A topic made when an attempt starts (left as it is when it exists)."""

    name: TopicName
    partitions: Annotated[int, Field(ge=1, le=60)] = 1
    configs: dict[str, str] = {}


class Owns(Written):
    """What Reset may touch: these topics and groups. `files`: it has some; Reset leaves them."""

    topics: tuple[TopicName, ...] = ()
    groups: tuple[str, ...] = ()
    files: bool = True


class Setup(Written):
    topics: tuple[TopicSetup, ...] = ()


class Trigger(Written):
    """When a stimulus begins, counted from when its task became active.

    program: when this program of the lab was started, `after` seconds later (each run once).
    topic:   when `records` new records are in it (once).
    neither: at once.
    """

    program: FilePath | None = None
    topic: TopicName | None = None
    records: Annotated[int, Field(ge=1)] = 1
    after: Annotated[float, Field(ge=0, le=600)] = 0

    @model_validator(mode="after")
    def _one_of_both(self) -> Trigger:
        if self.program and self.topic:
            raise ValueError("a trigger waits for a program or for a topic, not both")
        return self


class Stimulus(Written):
    """Something the platform does for a check while its task is open, recorded and always undone.

    fault:    with ms (latency) and node; lasts `seconds`, or as long as the task is open without.
    workload: send the records of workload.py.
    """

    fault: FaultName | None = None
    workload: bool = False
    ms: Annotated[int, Field(ge=0, le=10_000)] = 0
    node: Annotated[int, Field(ge=1, le=9)] = 1
    seconds: Annotated[float, Field(gt=0, le=600)] | None = None
    when: Trigger = Trigger()

    @model_validator(mode="after")
    def _makes_sense(self) -> Stimulus:
        if bool(self.fault) == self.workload:
            raise ValueError("a stimulus is either a fault or the workload")
        if self.fault == "latency" and not self.ms:
            raise ValueError("latency needs ms")
        if self.fault and self.when.program and self.seconds is None:
            raise ValueError("a fault that waits for a program needs seconds")
        return self


class Task(Written):
    """One thing to do. check: a function in checks.py; text: more words, Markdown.

    requires: tasks that must have passed before this one becomes active.
    within:   seconds from becoming active after which waiting turns into "timed out"; none by default.
    waiting:  what the page says while nothing is seen yet; done: once it has passed.
    """

    id: Slug
    title: Sentence
    points: Annotated[int, Field(ge=0, le=100)] = 1
    check: Ident
    text: str = ""
    stimulus: tuple[Stimulus, ...] = ()
    within: Annotated[float, Field(gt=0)] | None = None
    waiting: Sentence = "Watching your sandbox."
    done: Sentence = "Done."
    requires: tuple[Slug, ...] = ()


class Program(Written):
    """A program the student runs here, or a file to fill in first; path is relative to the lab's folder."""

    path: FilePath
    label: str = ""
    args: tuple[str, ...] = ()


class Card(Written):
    """A fault the student may inject in this lab."""

    fault: FaultName
    seconds: Annotated[int, Field(ge=1, le=300)] = 30
    ms: Annotated[int, Field(ge=0, le=10_000)] = 0
    node: Annotated[int, Field(ge=1, le=9)] = 1


Ladder = Annotated[tuple[Sentence, ...], Field(min_length=HINT_STEPS, max_length=HINT_STEPS)]


class Lab(Written):
    """One lab, as its author wrote it."""

    id: LabId
    slug: Slug
    title: Sentence
    minutes: Annotated[int, Field(ge=1, le=240)]
    points: Annotated[int, Field(ge=0, le=100)]
    profile: Literal["kafka-1", "kafka-3"] = "kafka-1"
    owns: Owns = Owns()
    setup: Setup = Setup()
    seed: Literal["per_attempt", "fixed"] = "per_attempt"
    programs: tuple[Program, ...] = ()
    tasks: Annotated[tuple[Task, ...], Field(min_length=1)]
    hints: dict[Cause, Ladder] = {}
    deck: tuple[Card, ...] = ()

    @model_validator(mode="after")
    def _holds_together(self) -> Lab:
        for complaint in _complaints(self):
            raise ValueError(complaint)
        return self

    def task(self, task_id: str) -> Task:
        """The task of that id; KeyError when there is none."""
        for task in self.tasks:
            if task.id == task_id:
                return task
        raise KeyError(task_id)


def _complaints(lab: Lab) -> list[str]:
    found: list[str] = []
    seen: set[str] = set()
    for task in lab.tasks:
        if task.id in seen:
            found.append(f"task {task.id!r} is there twice")
        found += [
            f"task {task.id!r} requires {need!r}, which is not above it"
            for need in task.requires
            if need not in seen
        ]
        seen.add(task.id)
    if sum(task.points for task in lab.tasks) != lab.points:
        found.append(f"the tasks' points add up to {sum(t.points for t in lab.tasks)}, not {lab.points}")
    found += [
        f"setup makes topic {topic.name!r}, which owns.topics does not name"
        for topic in lab.setup.topics
        if topic.name not in lab.owns.topics
    ]
    return found
