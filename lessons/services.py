"""What a student may ask of labs and questions. Each may be called again without harm.

Broker and workspace calls are made before or after a transaction, never inside one.
"""

from __future__ import annotations

import json
import secrets
import time
import zlib
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from lessons import grading, rounds
from lessons.catalog import Course, content_path, read_course
from lessons.checks import SandboxView, ViewUnavailable, lag
from lessons.errors import NotNow
from lessons.labs import Lab
from lessons.models import (
    Answer,
    Attempt,
    CourseVersion,
    HintOpened,
    LabVersion,
    LessonPage,
    Place,
    TaskProgress,
)
from lessons.publishing import publish
from lessons.quizzes import Item, Read, is_answer, is_right
from lessons.tasks import ring_on_commit
from sandboxes import provisioning, selectors, stagehand
from sandboxes import services as sandbox_services
from sandboxes.announce import announce, keep_watched
from sandboxes.backends.base import BackendError, FileMissing, KafkaEndpoint, Workspace
from sandboxes.errors import SandboxError
from sandboxes.lifecycle import State as SandboxState
from sandboxes.models import Sandbox
from sandboxes.observe import open_view

NEEDS_SANDBOX = "Your sandbox is not running. Start it beside the text, then begin the lab."
NONCE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
STOP_S = 5.0  # for a program that is asked to end; the backend kills it after 3
_READY = (SandboxState.READY, SandboxState.DEGRADED)


def load_course() -> CourseVersion:
    """Read the course's folder and make it current. Raises CourseError, and the last good one stays."""
    return publish(read())


def read() -> Course:
    """The course as its folder says now."""
    return read_course(content_path())


# -- attempts ----------------------------------------------------------------------------------------------


def start_attempt(user: User, version: LabVersion) -> Attempt:
    """Begin a lab in the user's sandbox, or go on with the attempt that is open there.

    Makes the lab's topics where missing and writes its files where missing; nothing of the student's is lost.
    """
    sandbox = _running_sandbox(user)
    attempt = Attempt.objects.filter(user=user, lab_id_text=version.lab_id, ended_at=None).first()
    if attempt is not None and attempt.sandbox_id != sandbox.id:
        _end(attempt)
        attempt = None
    if attempt is None:
        attempt = _begin(user, version, sandbox)
    else:
        with _as_sentence():
            _write_files(provisioning.workspace(sandbox), attempt)
    ring_on_commit(attempt.id)
    return attempt


def reset_lab(user: User, version: LabVersion) -> Attempt:
    """Begin a lab anew: its topics, groups and programs are cleared, and only its own.

    What the student wrote stays; a starter file that they deleted comes back.
    """
    sandbox = _running_sandbox(user)
    lab = Lab.stored(version.spec)
    for attempt in Attempt.objects.filter(user=user, lab_id_text=version.lab_id, ended_at=None):
        _end(attempt)
    with _as_sentence():
        _stop_programs(provisioning.workspace(sandbox), lab.slug)
        clear(provisioning.endpoint(sandbox.id), lab)
    attempt = _begin(user, version, sandbox)
    ring_on_commit(attempt.id)
    return attempt


def check_now(user: User, lab_id: str, task_id: str) -> rounds.Outcome:
    """Judge at once because the student asked; counts as an attempt when it fails."""
    attempt = open_attempt(user, lab_id)
    outcome = rounds.run_round(attempt.id, asked=task_id)
    if outcome.busy:  # a round is under way; its result, or the next one's, reaches the page by itself
        ring_on_commit(attempt.id)
    return outcome


def open_attempt(user: User, lab_id: str) -> Attempt:
    """The user's open attempt at a lab, or NotNow."""
    attempt = Attempt.objects.filter(user=user, lab_id_text=lab_id, ended_at=None).first()
    if attempt is None:
        raise NotNow("This lab is not under way. Press Begin first.")
    return attempt


def clear(endpoint: KafkaEndpoint, lab: Lab) -> None:
    """Remove what a lab owns in Kafka, and nothing else.

    Topics first: with a topic go all offsets committed on it, so that a group whose members have not left
    yet is as good as new.
    """
    stagehand.remove_topics(endpoint, lab.owns.topics)
    stagehand.remove_groups(endpoint, lab.owns.groups)


def wishes(lab: Lab) -> list[stagehand.TopicWish]:
    """The topics a lab wants to find."""
    return [
        stagehand.TopicWish(name=topic.name, partitions=topic.partitions, configs=topic.configs)
        for topic in lab.setup.topics
    ]


def new_nonce() -> str:
    """Ten letters and digits that nobody can guess; begins with a letter so that it fits any name."""
    return secrets.choice(NONCE_LETTERS[:22]) + "".join(secrets.choice(NONCE_LETTERS) for _ in range(9))


def _begin(user: User, version: LabVersion, sandbox: Sandbox) -> Attempt:
    lab = Lab.stored(version.spec)
    with _as_sentence():
        endpoint = provisioning.endpoint(sandbox.id)
        stagehand.ensure_topics(endpoint, wishes(lab))
        horizon = stagehand.log_ends(endpoint, lab.owns.topics)
    try:
        attempt = _create(user, version, lab, sandbox, horizon)
    except IntegrityError:  # a second click was faster
        return open_attempt(user, version.lab_id)
    with _as_sentence():
        _write_files(provisioning.workspace(sandbox), attempt)
    keep_watched(sandbox.id)
    sandbox_services.touch(sandbox, "check")
    announce(sandbox.id, "attempt", lab=version.lab_id)
    return attempt


@transaction.atomic
def _create(user: User, version: LabVersion, lab: Lab, sandbox: Sandbox, horizon: Any) -> Attempt:
    now = timezone.now()
    stored = {name: list(ends) for name, ends in horizon.items()}
    attempt = Attempt.objects.create(
        user=user,
        lab=version,
        lab_id_text=version.lab_id,
        lesson_id=version.lesson_id,
        sandbox=sandbox,
        nonce=new_nonce(),
        seed=secrets.randbits(31) if lab.seed == "per_attempt" else zlib.crc32(lab.id.encode()),
        activated_at=now,
        horizon=stored,
    )
    for task in lab.tasks:
        TaskProgress.objects.update_or_create(
            user=user,
            lab_id=version.lab_id,
            task_id=task.id,
            defaults={
                "lesson_id": version.lesson_id,
                "attempt": attempt,
                "state": "waiting",
                "verdict": {},
                "judged_at": None,
                "activated_at": None if task.requires else now,
                "horizon": {} if task.requires else stored,
                "locked_horizon": {},
                "last_cause": "",
            },
        )
    return attempt


def _end(attempt: Attempt) -> None:
    """Close an attempt and take out the faults its checks hold."""
    if not Attempt.objects.filter(pk=attempt.pk, ended_at=None).update(ended_at=timezone.now()):
        return
    if attempt.sandbox is None:
        return
    lab, stage = Lab.stored(attempt.lab.spec), rounds.SandboxStage(attempt.sandbox)
    for stimulus in (s for task in lab.tasks for s in task.stimulus if s.fault and s.seconds is None):
        stage.release(stimulus)


def _write_files(workspace: Workspace, attempt: Attempt) -> None:
    """The lab's folder: starter files where missing, and lab.json with this attempt's nonce."""
    lab = Lab.stored(attempt.lab.spec)
    for name, text in attempt.lab.starter.items():
        path = f"{lab.slug}/{name}"
        if not _exists(workspace, path):
            workspace.write_file(path, text)
    workspace.write_file(f"{lab.slug}/lab.json", lab_json(lab.id, attempt.nonce, attempt.seed))
    if attempt.sandbox is not None:
        announce(attempt.sandbox.id, "files", folder=lab.slug)


def lab_json(lab_id: str, nonce: str, seed: int) -> str:
    """What a student's program reads to know its attempt."""
    return json.dumps({"lab": lab_id, "nonce": nonce, "seed": seed}, indent=2) + "\n"


def _exists(workspace: Workspace, path: str) -> bool:
    try:
        workspace.read_file(path)
    except FileMissing:
        return False
    return True


def _stop_programs(workspace: Workspace, folder: str) -> None:
    """Ask the lab's programs to end, and end those that do not: who is asked may leave its group."""
    for program_id in _running(workspace, folder):
        workspace.stop_program(program_id)
    deadline = time.monotonic() + STOP_S
    while _running(workspace, folder) and time.monotonic() < deadline:
        time.sleep(0.05)
    for program_id in _running(workspace, folder):
        workspace.kill_program(program_id)


def _running(workspace: Workspace, folder: str) -> list[str]:
    runs = workspace.programs()
    return [run.program_id for run in runs if run.running and run.path.startswith(f"{folder}/")]


def _running_sandbox(user: User) -> Sandbox:
    sandbox = selectors.live_sandbox(user)
    if sandbox is None or sandbox.now not in _READY:
        raise NotNow(NEEDS_SANDBOX)
    return sandbox


class _as_sentence:  # noqa: N801 - used like a word
    """Turns what a sandbox may raise into NotNow with a sentence for the student."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, SandboxError | BackendError):
            raise NotNow(error.sentence) from error
        if isinstance(error, stagehand.StageError):
            raise NotNow(
                f'Kafka refused to prepare this lab ("{error}"). Stop your programs and try again.'
            ) from error
        if isinstance(error, ViewUnavailable):
            raise NotNow("Your broker does not answer just now. Try again in a moment.") from error


# -- hints and questions -----------------------------------------------------------------------------------

_ASK_AGAIN = {
    "choice": "Choose one of the answers first.",
    "order": "Each place may be used once.",
    "numeric": "Write a number.",
}


def open_hint(user: User, lab_id: str, task_id: str, step: int) -> int:
    """Open a step of the ladder of the task's last cause, if it is the next one; how many are open now."""
    with transaction.atomic():
        row = (
            TaskProgress.objects.select_for_update().filter(user=user, lab_id=lab_id, task_id=task_id).first()
        )
        if row is None or not row.last_cause:
            raise NotNow("There is no hint to open here.")
        failures, first = row.failures.get(row.last_cause, (0, 0.0))
        allowed, _ = grading.ladder_open(failures, first, timezone.now().timestamp())
        opened = int(row.hints.get(row.last_cause, 0))
        if step != opened + 1 or step > allowed:
            return opened
        row.hints = {**row.hints, row.last_cause: step}
        row.save(update_fields=["hints"])
        HintOpened.objects.get_or_create(
            user=user, lab_id=lab_id, task_id=task_id, cause=row.last_cause, step=step
        )
    return step


def answer_quiz(user: User, lesson_id: str, item: Item, answer: str) -> Answer:
    """Keep an answer and whether it is right; a right one is not replaced by a later wrong one."""
    if not is_answer(item, answer):
        raise NotNow(_ASK_AGAIN[item.kind])
    known = _answer_of(user, lesson_id, Answer.Kind.QUIZ, item.id)
    if known is not None and known.right:
        return known
    measured = measure(user, item.read) if item.read else None
    right = is_right(item, answer, measured=measured)
    row, made = Answer.objects.get_or_create(
        user=user,
        lesson_id=lesson_id,
        kind=Answer.Kind.QUIZ,
        item_id=item.id,
        defaults={"answer": answer, "first": answer, "right": right, "measured": measured},
    )
    if not made:
        now = timezone.now()
        Answer.objects.filter(pk=row.pk).exclude(right=True).update(
            answer=answer, right=right, measured=measured, tries=F("tries") + 1, at=now
        )
        row.refresh_from_db()
    return row


def predict(user: User, lesson_id: str, ask: dict[str, Any], answer: str) -> Answer:
    """Write a prediction down, once: afterwards the answer is shown, so it cannot be changed."""
    if answer not in {option["id"] for option in ask["options"]}:
        raise NotNow("Choose one of the answers first.")
    row, _ = Answer.objects.get_or_create(
        user=user,
        lesson_id=lesson_id,
        kind=Answer.Kind.PREDICT,
        item_id=ask["id"],
        defaults={"answer": answer, "first": answer},
    )
    return row


def keep_place(user: User, page: LessonPage, anchor: str) -> None:
    """Remember where the user is in a lesson; a place that the lesson does not have is not kept."""
    if anchor in {entry[0] for entry in page.outline}:
        Place.objects.update_or_create(
            user=user, lesson_id=page.lesson_id, defaults={"anchor": anchor, "at": timezone.now()}
        )


def _answer_of(user: User, lesson_id: str, kind: str, item_id: str) -> Answer | None:
    return Answer.objects.filter(user=user, lesson_id=lesson_id, kind=kind, item_id=item_id).first()


def measure(user: User, read: Read) -> float:
    """What the user's own cluster says; NotNow when it cannot be asked."""
    sandbox = selectors.live_sandbox(user)
    if sandbox is None or sandbox.now not in _READY:
        raise NotNow("This one is read from your cluster. Start your sandbox first.")
    try:
        return read_number(open_view(sandbox.id), read)
    except ViewUnavailable as error:
        raise NotNow("Your cluster does not answer just now. Try again in a moment.") from error


def read_number(view: SandboxView, read: Read) -> float:
    """The number a question asks for; NotNow when the thing it is read from is not there."""
    offsets = {o.partition: o for o in view.offsets(read.topic or "")}
    if read.topic and not offsets:
        raise NotNow(f"Your cluster has no topic {read.topic} yet, so there is nothing to read.")
    if read.partition is not None:
        offsets = {p: o for p, o in offsets.items() if p == read.partition}
    if read.what in ("lag", "members", "committed"):
        return _group_number(view, read, offsets)
    return {
        "end": sum(o.end for o in offsets.values()),
        "start": sum(o.start for o in offsets.values()),
        "partitions": len(offsets),
        "records": sum(o.end - o.start for o in offsets.values()),
    }[read.what]


def _group_number(view: SandboxView, read: Read, offsets: dict[int, Any]) -> float:
    group = view.group(read.group or "")
    if group is None:
        raise NotNow(f"Your cluster has no group {read.group} yet, so there is nothing to read.")
    if read.what == "members":
        return len(group.members)
    committed = group.committed_to(read.topic or "")
    if read.what == "committed":
        return sum(offset for partition, offset in committed.items() if partition in offsets)
    return sum(behind or 0 for behind in lag(offsets.values(), committed).values())
