"""The stimulus half of a check: which faults and workload records are due now, and doing them once.

Plain Python over three seams: the view (what the student's programs do), a `Stage` (who can act on the
sandbox) and `Done` (what was done so far, JSON-ready). Safe to run again after a crash at any point:
a fault is renewed rather than doubled, and a workload record may at worst be sent twice under its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from lessons.checks import SandboxView, StimulusFact, WorkloadRecord
from lessons.judges import LabCode
from lessons.labs import Stimulus, Task

# A fault that lasts as long as its task is a short one, renewed: a grader that dies leaves none behind.
HOLD_S = 60.0
RENEW_S = 20.0
BATCH = 200
NUMBER_HEADER = "mr-workload"


class Stage(Protocol):
    """Who acts on the sandbox. Both may raise ViewUnavailable; the same call again does no harm."""

    def inject(self, stimulus: Stimulus, seconds: float) -> None: ...

    def release(self, stimulus: Stimulus) -> None: ...

    def send(self, records: list[tuple[int, WorkloadRecord]]) -> None: ...


@dataclass(slots=True)
class Done:
    """What was done in one attempt. fired: stimulus name -> {at, renewed, until}; sent: task -> records."""

    fired: dict[str, dict[str, Any]] = field(default_factory=dict)
    sent: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveTask:
    """An open task and since when, with the log ends of that moment, and when it was last seen locked."""

    task: Task
    activated_at: float
    horizon: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    locked: Mapping[str, tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Everything one round of stimuli needs."""

    code: LabCode
    active: list[ActiveTask]
    done: Done
    view: SandboxView
    stage: Stage
    seed: int
    nonce: str


def advance(now: Round) -> float | None:
    """Do what is due; seconds until something else is, or None when nothing is in sight."""
    waits: list[float] = []
    _release_closed(now)
    for one in now.active:
        for n, stimulus in enumerate(one.task.stimulus):
            name = f"{one.task.id}/{n}"
            for key, at in _occasions(name, stimulus, one, now):
                waits += _do(key, at, stimulus, one, now)
    return min(waits, default=None)


def _do(key: str, at: float, stimulus: Stimulus, one: ActiveTask, now: Round) -> list[float]:
    if at > now.view.now:
        return [at - now.view.now]
    return _send_due(one.task.id, at, now) if stimulus.workload else _fault_due(key, stimulus, one, now)


def facts(done: Done) -> tuple[StimulusFact, ...]:
    """What was done, as judges see it; oldest first."""
    found = [
        StimulusFact(
            kind=entry["kind"],
            task=name.split("/")[0],
            at=entry["at"],
            until=entry["until"],
            sent=done.sent.get(name.split("/")[0], 0) if entry["kind"] == "workload" else 0,
        )
        for name, entry in done.fired.items()
    ]
    return tuple(sorted(found, key=lambda fact: fact.at))


def _occasions(name: str, stimulus: Stimulus, one: ActiveTask, now: Round) -> Iterator[tuple[str, float]]:
    """(name, time) of each time the stimulus is, or will be, due."""
    when = stimulus.when
    if when.program:
        path = f"{now.code.lab.slug}/{when.program}"
        for run in now.view.programs():
            if run.path == path and run.started_at >= one.activated_at:
                yield f"{name}/{run.program_id}", run.started_at + when.after
    elif when.topic:
        if _new_records(when.topic, one, now.view) >= when.records:
            yield name, one.activated_at
    else:
        yield name, one.activated_at + when.after


def _new_records(topic: str, one: ActiveTask, view: SandboxView) -> int:
    before = one.horizon.get(topic, ())
    return sum(
        max(0, o.end - (before[o.partition] if o.partition < len(before) else 0)) for o in view.offsets(topic)
    )


def _fault_due(key: str, stimulus: Stimulus, one: ActiveTask, now: Round) -> list[float]:
    entry, at = now.done.fired.get(key), now.view.now
    if stimulus.seconds is not None:
        if entry is None:
            now.stage.inject(stimulus, stimulus.seconds)
            now.done.fired[key] = _entry(stimulus, at, until=at + stimulus.seconds)
        return []
    if not _is_at_work(one, now):
        return [RENEW_S]
    if entry is None or entry["until"] is not None:
        now.stage.inject(stimulus, HOLD_S)
        now.done.fired[key] = _entry(stimulus, at, until=None)
    elif at - entry["renewed"] >= RENEW_S:
        now.stage.inject(stimulus, HOLD_S)
        entry["renewed"] = at
    return [RENEW_S]


def _is_at_work(one: ActiveTask, now: Round) -> bool:
    """Whether what a task holds may be in: not once a program of another folder was the last to start.

    `sandboxes.services.run_program` takes it out then, and puts it in again before the lab's own next one.
    """
    runs = sorted(
        (run for run in now.view.programs() if run.started_at >= one.activated_at),
        key=lambda run: run.started_at,
    )
    own = [run.path.startswith(f"{now.code.lab.slug}/") for run in runs]
    return not runs or own[-1] or any(run.running for run, mine in zip(runs, own, strict=True) if mine)


def _entry(stimulus: Stimulus, at: float, *, until: float | None) -> dict[str, Any]:
    return {"kind": stimulus.fault or "workload", "at": at, "renewed": at, "until": until}


def _release_closed(now: Round) -> None:
    """End held faults of tasks that are no longer open."""
    open_tasks = {one.task.id for one in now.active}
    for key, entry in now.done.fired.items():
        task_id, n = key.split("/")[:2]
        if task_id not in open_tasks and entry["until"] is None and entry["kind"] != "workload":
            now.stage.release(now.code.lab.task(task_id).stimulus[int(n)])
            entry["until"] = now.view.now


def _send_due(task_id: str, at: float, now: Round) -> list[float]:
    records = now.code.workload_records(seed=now.seed, nonce=now.nonce)
    sent = now.done.sent.get(task_id, 0)
    due = [(n, r) for n, r in enumerate(records) if n >= sent and at + r.after <= now.view.now][:BATCH]
    if due:
        now.stage.send(due)
        now.done.sent[task_id] = sent = due[-1][0] + 1
        entry = {"kind": "workload", "at": at, "renewed": now.view.now, "until": None}
        now.done.fired.setdefault(f"{task_id}/workload", entry)
    return [] if sent >= len(records) else [max(0.05, at + records[sent].after - now.view.now)]
