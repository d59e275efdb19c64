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
from lessons.checks import AttemptFacts, NotReady, State, Verdict, ViewUnavailable, WorkloadRecord
from lessons.judges import LabCode, load_code, stored_code
from lessons.labs import Lab, Stimulus
from lessons.models import Answer, Attempt, LabVersion, TaskProgress, VerdictRow
from lessons.stimulus import ActiveTask, Done, Round
from sandboxes import provisioning, services, stagehand
from sandboxes.announce import announce
from sandboxes.backends.base import BackendError, Fault
from sandboxes.errors import SandboxError
from sandboxes.models import FaultRecord, Sandbox
from sandboxes.observe import KafkaView, open_view

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
            return _Grader(attempt, token, asked).run()
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
    attempt: Attempt
    token: int
    asked: str
    tasks: dict[str, _Task] = field(default_factory=dict)
    done: Done = field(default_factory=Done)
    again_s: float | None = None

    def run(self) -> Outcome:
        code = code_of(self.attempt.lab.digest)
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

    def _passed(self) -> set[str]:
        verdicts = {
            name: task.verdict.state if task.verdict else State(task.row.state)
            for name, task in self.tasks.items()
        }
        return {name for name, state in verdicts.items() if state is State.PASS}

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
        view = open_view(sandbox.id)
        stage = SandboxStage(sandbox)
        # Before anything is judged: what is in the log now was made before a task that still waits passed.
        ends = self._moved_ends(code.lab, view)
        for _ in range(len(code.lab.tasks) + 1):
            active = self._active(code.lab, view)
            now = Round(
                code=code, active=active, done=self.done, view=view, stage=stage,
                seed=self.attempt.seed, nonce=self.attempt.nonce,
            )  # fmt: skip
            self.again_s = stimulus.advance(now)
            fresh = [one for one in active if self.tasks[one.task.id].verdict is None]
            if not fresh:
                break
            for task_id, verdict in grading.judge_lab(code, self._facts(), view, fresh).items():
                self.tasks[task_id].verdict = verdict
        self._note_locked(ends)

    def _moved_ends(self, lab: Lab, view: KafkaView) -> dict[str, list[int]]:
        """The ends of the lab's logs, if a task is locked and they moved since the attempt began."""
        if all(task.row.activated_at for task in self.tasks.values()):
            return {}
        ends = {name: [o.end for o in view.offsets(name)] for name in lab.owns.topics}
        return ends if ends != self.attempt.horizon else {}

    def _note_locked(self, ends: dict[str, list[int]]) -> None:
        for task in self.tasks.values():
            if ends and task.row.activated_at is None and task.row.locked_horizon != ends:
                task.row.locked_horizon, task.newly_locked = ends, True

    def _active(self, lab: Lab, view: KafkaView) -> list[ActiveTask]:
        found = []
        for task in grading.open_tasks(lab, self._passed()):
            mine = self.tasks.get(task.id)
            if mine is None:
                continue
            if mine.row.activated_at is None:
                mine.row.activated_at, mine.newly_active = timezone.now(), True
                mine.row.horizon = {name: [o.end for o in view.offsets(name)] for name in lab.owns.topics}
            found.append(
                ActiveTask(
                    task=task,
                    activated_at=mine.row.activated_at.timestamp(),
                    horizon=_horizon(mine.row.horizon),
                    locked=_horizon(mine.row.locked_horizon),
                )
            )
        return found

    def _facts(self) -> AttemptFacts:
        answers = Answer.objects.filter(
            user=self.attempt.user_id, lesson_id=self.attempt.lesson_id, kind=Answer.Kind.PREDICT
        )
        return AttemptFacts(
            attempt_id=self.attempt.id.hex,
            lab_id=self.attempt.lab_id_text,
            nonce=self.attempt.nonce,
            seed=self.attempt.seed,
            activated_at=self.attempt.activated_at.timestamp(),
            horizon=_horizon(self.attempt.horizon),
            passed=frozenset(self._passed()),
            stimuli=stimulus.facts(self.done),
            predictions=dict(answers.values_list("item_id", "answer")),
        )

    def _not_ready(self, lab: Lab) -> None:
        """Whatever was not judged before the sandbox fell silent."""
        for task in grading.open_tasks(lab, self._passed()):
            mine = self.tasks.get(task.id)
            if mine is not None and mine.verdict is None:
                mine.verdict = NotReady(grading.SILENT)

    # -- recording -----------------------------------------------------------------------------------------

    def _record(self, lab: Lab, took_ms: int) -> Outcome:
        now = timezone.now()
        finished = self._passed() >= {task.id for task in lab.tasks}
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


@dataclass(frozen=True, slots=True)
class SandboxStage:
    """Acts on a sandbox of the site for a check; what cannot be done now is tried again next round."""

    sandbox: Sandbox

    def inject(self, stimulus: Stimulus, seconds: float) -> None:
        if stimulus.fault is None:
            return
        fault = Fault(kind=stimulus.fault, node=stimulus.node, ms=stimulus.ms)
        try:
            services.inject_fault(self.sandbox, fault, seconds=seconds, actor="check")
        except (SandboxError, BackendError) as error:
            raise ViewUnavailable(str(error)) from error

    def release(self, stimulus: Stimulus) -> None:
        for record in FaultRecord.objects.filter(
            sandbox=self.sandbox, kind=stimulus.fault, node=stimulus.node, undone_at=None
        ).select_related("sandbox__cluster"):
            services.undo_fault(record)

    def send(self, records: list[tuple[int, WorkloadRecord]]) -> None:
        try:
            endpoint = provisioning.endpoint(self.sandbox.id)
        except (SandboxError, BackendError) as error:
            raise ViewUnavailable(str(error)) from error
        stagehand.send(endpoint, [outgoing(number, record) for number, record in records])


def outgoing(number: int, record: WorkloadRecord) -> stagehand.OutgoingRecord:
    """A workload record with its number in a header, so that a judge can tell a repeat."""
    headers = (*record.headers, (stimulus.NUMBER_HEADER, str(number)))
    return stagehand.OutgoingRecord(
        topic=record.topic, key=record.key, value=record.value, headers=headers, partition=record.partition
    )


def _horizon(stored: Mapping[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(ends) for name, ends in stored.items()}


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
