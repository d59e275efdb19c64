"""The typed form of run.yaml and mistake.yaml: how a robot works through a lab like a student. Plain data."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from lessons.labs import Cause, FaultName, FilePath, Slug, TopicSetup, Written

_WHAT = ("run", "start", "wait", "exited", "sleep", "stop", "kill", "fault", "topic", "predict", "file")


class FileText(Written):
    path: FilePath
    text: str


class Step(Written):
    """One thing the robot does; exactly one of the first group is given.

    run: start a program and wait for its end; start: leave it running; wait: until a task has passed;
    exited: until the program of that label has ended; timeout: seconds for the three that wait.
    """

    run: FilePath | None = None
    start: FilePath | None = None
    wait: Slug | None = None
    exited: str | None = None
    sleep: Annotated[float, Field(gt=0, le=120)] | None = None
    stop: str | None = None
    kill: str | None = None
    fault: FaultName | None = None
    topic: TopicSetup | None = None
    predict: dict[str, str] | None = None
    file: FileText | None = None

    args: tuple[str, ...] = ()
    label: str = ""
    exit: int | None = None
    timeout: Annotated[float, Field(gt=0, le=300)] = 60
    seconds: Annotated[float, Field(gt=0, le=300)] = 5
    ms: Annotated[int, Field(ge=0)] = 0
    node: Annotated[int, Field(ge=1)] = 1

    @model_validator(mode="after")
    def _one_thing(self) -> Step:
        given = [name for name in _WHAT if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(f"a step is exactly one of {', '.join(_WHAT)}")
        return self


class Script(Written):
    """settle: seconds to wait after the last step for the verdicts; None is the gate's own default."""

    steps: tuple[Step, ...] = ()
    settle: Annotated[float, Field(gt=0, le=300)] | None = None


class Mistake(Written):
    """What a wrong solution must be told: `task` fails with `cause`, and no other task fails.

    why: what a student who writes this believes; kind is for instructors' statistics.
    """

    task: Slug
    cause: Cause
    why: str = ""
    kind: Literal["code", "order", "reading"] = "code"
