"""What a student may ask of labs and questions. Each may be called again without harm.

Broker and workspace calls are made before or after a transaction, never inside one.
"""

from __future__ import annotations

import secrets
import zlib
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone

from accounts.models import User
from lessons import grading, ground, rounds
from lessons.catalog import Course, content_path, read_course
from lessons.checks import ViewUnavailable
from lessons.errors import NotNow
from lessons.labs import Lab
from lessons.measuring import read_number
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
from lessons.stage import SandboxStage
from lessons.tasks import ring_on_commit
from sandboxes import provisioning, selectors, stagehand
from sandboxes import services as sandbox_services
from sandboxes.announce import announce, keep_watched
from sandboxes.backends.base import BackendError
from sandboxes.errors import SandboxError
from sandboxes.lifecycle import State as SandboxState
from sandboxes.models import Sandbox
from sandboxes.observe import open_view

NEEDS_SANDBOX = "Your sandbox is not running. Start it beside the text, then begin the lab."
NONCE_LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"
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
        _lay_files(sandbox, attempt)
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
        ground.stop_programs(provisioning.workspace(sandbox), lab.slug)
        ground.clear(provisioning.endpoint(sandbox.id), lab)
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


def new_nonce() -> str:
    """Ten letters and digits that nobody can guess; begins with a letter so that it fits any name."""
    return secrets.choice(NONCE_LETTERS[:22]) + "".join(secrets.choice(NONCE_LETTERS) for _ in range(9))


def _begin(user: User, version: LabVersion, sandbox: Sandbox) -> Attempt:
    lab = Lab.stored(version.spec)
    with _as_sentence():
        endpoint = provisioning.endpoint(sandbox.id)
        stagehand.ensure_topics(endpoint, ground.wishes(lab))
        horizon = stagehand.log_ends(endpoint, lab.owns.topics)
    try:
        attempt = _create(user, version, lab, sandbox, horizon)
    except IntegrityError:  # a second click was faster
        return open_attempt(user, version.lab_id)
    _lay_files(sandbox, attempt)
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
    lab = Lab.stored(attempt.lab.spec)
    stage = SandboxStage(attempt.sandbox, lab.slug)
    for stimulus in (s for task in lab.tasks for s in task.stimulus if s.fault and s.seconds is None):
        stage.release(stimulus)


def _lay_files(sandbox: Sandbox, attempt: Attempt) -> None:
    lab, version = Lab.stored(attempt.lab.spec), attempt.lab
    with _as_sentence():
        space = provisioning.workspace(sandbox)
        ground.write_files(space, lab, version.starter, nonce=attempt.nonce, seed=attempt.seed)
    announce(sandbox.id, "files", folder=lab.slug)


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
    measured = _measured(user, item.read) if item.read else None
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


def _measured(user: User, read: Read) -> float:
    """What the user's own sandbox says; NotNow when it cannot be asked."""
    sandbox = selectors.live_sandbox(user)
    if sandbox is None or sandbox.now not in _READY:
        raise NotNow("This one is read from your sandbox. Start your sandbox first.")
    try:
        return read_number(open_view(sandbox.id), read)
    except ViewUnavailable as error:
        raise NotNow("Your sandbox does not answer just now. Try again in a moment.") from error
