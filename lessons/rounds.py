"""One round of grading of one attempt: take the lease, look, act, judge, record, tell the page.

Safe to run twice, late, or at the same time as another: the lease lets one worker in, and every write
carries its token, so a worker that lost the lease writes nothing. No broker call inside a transaction.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from structlog.contextvars import bound_contextvars

from lessons import grading, metrics, stimulus
from lessons.checks import AttemptFacts, NotReady, SandboxView, State, Verdict, ViewUnavailable
from lessons.judges import LabCode, load_code, stored_code
from lessons.labs import Lab, Task
from lessons.models import Answer, Attempt, LabVersion, TaskProgress, VerdictRow
from lessons.sheets import Ends, fill, log_ends
from lessons.stage import SandboxStage
from lessons.stimulus import ActiveTask, Done
from sandboxes import services
from sandboxes.announce import announce
from sandboxes.observe import open_view

logger = logging.getLogger(__name__)

LEASE = timedelta(seconds=30)
TEXT_MAX = 600
# Not hints: a student may open one while a round runs.
_WRITTEN = (
    "state", "verdict", "judged_at", "took_ms", "activated_at", "horizon", "points", "passed_at",
    "passed_digest", "failures", "last_cause",
)  # fmt: skip
_RESULTS = (State.PASS, State.FAIL, State.TIMED_OUT, State.BROKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a round came to. busy: another worker has the lease; again_s: when something is due next."""

    busy: bool = False
    changed: tuple[str, ...] = ()
    finished: bool = False
    again_s: float | None = None


def code_of(digest: str) -> LabCode:
    """The judges of a stored lab version, kept in this process."""
    return stored_code(digest, _fetch_code)


def _fetch_code(digest: str) -> LabCode:
    version = LabVersion.objects.get(digest=digest)
    lab = Lab.stored(version.spec)
    name = f"lab {version.lab_id} {digest[:8]}"
    return load_code(lab, checks=version.checks, workload=version.workload, name=name)


def run_round(attempt_id: UUID, *, asked: str = "") -> Outcome:
    """Judge an attempt's open tasks once. asked: the task whose Check button was pressed."""
    token = _take_lease(attempt_id)
    if token is None:
        open_still = Attempt.objects.filter(pk=attempt_id, ended_at=None).exists()
        return Outcome(busy=open_still)
    attempt = Attempt.objects.select_related("lab", "sandbox").get(pk=attempt_id)
    about = {"attempt": attempt_id.hex, "sandbox": attempt.sandbox_id.hex if attempt.sandbox_id else ""}
    try:
        with bound_contextvars(**about):
            code = code_of(attempt.lab.digest)
            return _Grader(code.lab, attempt, token, asked).run(code)
    finally:
        Attempt.objects.filter(pk=attempt_id, lease_token=token).update(lease_until=None)


def _take_lease(attempt_id: UUID) -> int | None:
    now = timezone.now()
    free = Attempt.objects.filter(pk=attempt_id, ended_at=None).filter(
        Q(lease_until=None) | Q(lease_until__lt=now)
    )
    token = free.values_list("lease_token", flat=True).first()
    if token is None:
        return None
    taken = free.filter(lease_token=token).update(lease_token=token + 1, lease_until=now + LEASE)
    return token + 1 if taken else None


@dataclass(slots=True)
class _Task:
    """A task's row and what this round says about it."""

    row: TaskProgress
    verdict: Verdict | None = None
    took_ms: int = 0
    newly_active: bool = False
    newly_locked: bool = False


@dataclass(slots=True)
class _Grader:
    """A round, and the sheet that it fills in."""

    lab: Lab
    attempt: Attempt
    token: int
    asked: str
    tasks: dict[str, _Task] = field(default_factory=dict)
    done: Done = field(default_factory=Done)
    again_s: float | None = None

    def run(self, code: LabCode) -> Outcome:
        rows = TaskProgress.objects.filter(attempt=self.attempt)
        self.tasks = {row.task_id: _Task(row) for row in rows}
        self.done = Done(dict(self.attempt.fired), dict(self.attempt.sent))
        self._restart_clock(code.lab)
        began = time.monotonic()
        try:
            self._look_and_judge(code)
        except ViewUnavailable:
            self._not_ready(code.lab)
        took_s = time.monotonic() - began
        metrics.ROUNDS.inc()
        metrics.ROUND_SECONDS.observe(took_s)
        took_ms = int(took_s * 1000)
        return self._record(code.lab, took_ms)

    # -- judging -------------------------------------------------------------------------------------------

    def _restart_clock(self, lab: Lab) -> None:
        """Check pressed on a task that ran out of time: its time begins anew."""
        task = self.tasks.get(self.asked)
        if task is not None and task.row.state == State.TIMED_OUT:
            task.row.activated_at = timezone.now()
            task.newly_active = True

    def _look_and_judge(self, code: LabCode) -> None:
        sandbox = self.attempt.sandbox
        if sandbox is None:
            raise ViewUnavailable("the sandbox is gone")
        view, stage, attempt = open_view(sandbox.id), SandboxStage(sandbox, code.lab.slug), self.attempt
        fill(self, code, view, stage, done=self.done, seed=attempt.seed, nonce=attempt.nonce)

    # -- as a sheet ----------------------------------------------------------------------------------------

    @property
    def horizon(self) -> Ends:
        return _horizon(self.attempt.horizon)

    def passed(self) -> set[str]:
        verdicts = {
            name: task.verdict.state if task.verdict else State(task.row.state)
            for name, task in self.tasks.items()
        }
        return {name for name, state in verdicts.items() if state is State.PASS}

    def judged(self) -> set[str]:
        return {name for name, task in self.tasks.items() if task.verdict is not None}

    def is_any_locked(self) -> bool:
        return any(task.row.activated_at is None for task in self.tasks.values())

    def activate(self, task: Task, view: SandboxView) -> ActiveTask | None:
        mine = self.tasks.get(task.id)
        if mine is None:
            return None
        if mine.row.activated_at is None:
            mine.row.activated_at, mine.newly_active = timezone.now(), True
            mine.row.horizon = _lists(log_ends(self.lab, view))
        return ActiveTask(
            task=task,
            activated_at=mine.row.activated_at.timestamp(),
            horizon=_horizon(mine.row.horizon),
            locked=_horizon(mine.row.locked_horizon),
        )

    def due_in(self, seconds: float | None) -> None:
        self.again_s = seconds

    def note(self, verdicts: Mapping[str, Verdict]) -> None:
        for task_id, verdict in verdicts.items():
            self.tasks[task_id].verdict = verdict

    def note_locked(self, ends: Ends) -> None:
        kept = _lists(ends)
        for task in self.tasks.values():
            if task.row.activated_at is None and task.row.locked_horizon != kept:
                task.row.locked_horizon, task.newly_locked = kept, True

    def facts(self) -> AttemptFacts:
        answers = Answer.objects.filter(
            user=self.attempt.user_id, lesson_id=self.attempt.lesson_id, kind=Answer.Kind.PREDICT
        )
        return AttemptFacts(
            attempt_id=self.attempt.id.hex,
            lab_id=self.attempt.lab_id_text,
            nonce=self.attempt.nonce,
            seed=self.attempt.seed,
            activated_at=self.attempt.activated_at.timestamp(),
            horizon=self.horizon,
            passed=frozenset(self.passed()),
            stimuli=stimulus.facts(self.done),
            predictions=dict(answers.values_list("item_id", "answer")),
        )

    def _not_ready(self, lab: Lab) -> None:
        """Whatever was not judged before the sandbox fell silent."""
        for task in grading.open_tasks(lab, self.passed()):
            mine = self.tasks.get(task.id)
            if mine is not None and mine.verdict is None:
                mine.verdict = NotReady(grading.SILENT)

    # -- recording -----------------------------------------------------------------------------------------

    def _record(self, lab: Lab, took_ms: int) -> Outcome:
        now = timezone.now()
        finished = self.passed() >= {task.id for task in lab.tasks}
        try:
            with transaction.atomic():
                if not self._claim(now, finished):
                    return Outcome(busy=True)
                changed = [
                    name
                    for name, task in self.tasks.items()
                    if self._record_task(lab, name, task, now, took_ms)
                ]
                if changed or finished:
                    transaction.on_commit(partial(self._tell, changed, finished))
        except IntegrityError:  # the same result was written by a worker whose lease had run out
            logger.info("grading.lost_race", extra={"attempt": self.attempt.id.hex})
            return Outcome(busy=True)
        return Outcome(changed=tuple(changed), finished=finished, again_s=None if finished else self.again_s)

    def _claim(self, now: datetime, finished: bool) -> bool:
        """Write the attempt's own columns, if the lease is still ours."""
        return bool(
            Attempt.objects.filter(pk=self.attempt.pk, lease_token=self.token, ended_at=None).update(
                judged_at=now,
                fired=self.done.fired,
                sent=self.done.sent,
                ended_at=now if finished else None,
                lease_until=None,
            )
        )

    def _record_task(self, lab: Lab, name: str, task: _Task, now: datetime, took_ms: int) -> bool:
        """Keep a task's verdict; True when the page shows something else than before."""
        if task.newly_locked:
            task.row.save(update_fields=["locked_horizon"])
        if task.verdict is None:
            return False
        row, before = task.row, (task.row.state, task.row.verdict)
        last = self.attempt.verdicts.filter(task_id=name).order_by("-number").first()
        verdict = _same_reference(task.verdict, last)
        asked = self.asked == name
        if verdict.state in _RESULTS and (last is None or asked or not _says_the_same(verdict, last)):
            self._append(name, verdict, last.number + 1 if last else 1, now, took_ms, asked)
            _count_failure(row, verdict, now)
        row.state, row.verdict = verdict.state.value, _as_json(verdict)
        changed = task.newly_active or before != (row.state, row.verdict)
        if changed or asked:
            row.judged_at, row.took_ms = now, took_ms
            if verdict.state is State.PASS and row.passed_at is None:
                row.passed_at, row.passed_digest = now, self.attempt.lab.digest
                row.points = lab.task(name).points
            row.save(update_fields=_WRITTEN)
        return changed or asked

    def _append(
        self, name: str, verdict: Verdict, number: int, now: datetime, took_ms: int, asked: bool
    ) -> None:
        data = _as_json(verdict)
        transaction.on_commit(metrics.VERDICTS.labels(verdict.state.value).inc)
        VerdictRow.objects.create(
            attempt=self.attempt, task_id=name, number=number, state=verdict.state.value, cause=verdict.cause,
            sentence=data["sentence"], evidence=data["evidence"], look=verdict.look, judged_at=now,
            took_ms=took_ms, asked=asked,
        )  # fmt: skip

    def _tell(self, changed: list[str], finished: bool) -> None:
        sandbox = self.attempt.sandbox
        if sandbox is None:
            return
        states = {name: self.tasks[name].row.state for name in changed}
        announce(sandbox.id, "verdict", lab=self.attempt.lab_id_text, tasks=states, finished=finished)
        if State.PASS.value in states.values():
            services.touch(sandbox, "check")


def _horizon(stored: Mapping[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(ends) for name, ends in stored.items()}


def _lists(ends: Ends) -> dict[str, list[int]]:
    return {name: list(offsets) for name, offsets in ends.items()}


def _as_json(verdict: Verdict) -> dict[str, Any]:
    data = {name: _tame(value) for name, value in asdict(verdict).items()}
    data["state"] = verdict.state.value
    data["evidence"] = [
        {name: _tame(value) for name, value in row.items() if value not in (None, "")}
        for row in data["evidence"]
    ]
    return data


def _tame(value: Any) -> Any:
    """Text from a student's records as a row can keep it: bounded; PostgreSQL refuses NUL."""
    return value.replace("\x00", "\ufffd")[:TEXT_MAX] if isinstance(value, str) else value


def _same_reference(verdict: Verdict, last: VerdictRow | None) -> Verdict:
    """A check that stays broken keeps the reference it was first given."""
    if verdict.state is State.BROKEN and last is not None and last.state == State.BROKEN:
        return replace(verdict, cause=last.cause, sentence=last.sentence)
    return verdict


def _says_the_same(verdict: Verdict, last: VerdictRow) -> bool:
    data = _as_json(verdict)
    return (data["state"], data["cause"], data["sentence"], data["evidence"]) == (
        last.state, last.cause, last.sentence, last.evidence,
    )  # fmt: skip


def _count_failure(row: TaskProgress, verdict: Verdict, now: datetime) -> None:
    if verdict.state is not State.FAIL:
        return
    count, first = row.failures.get(verdict.cause, (0, now.timestamp()))
    row.failures = {**row.failures, verdict.cause: [count + 1, first]}
    row.last_cause = verdict.cause
