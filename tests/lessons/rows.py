"""Rows for tests of lessons: a loaded course, attempts, and a sandbox on paper behind them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.utils import timezone

from accounts.models import User
from lessons import selectors, services
from lessons.models import Attempt, LabVersion, TaskProgress
from sandboxes.models import Sandbox
from tests import small_course
from tests.lessons import labs


def load_small_course(folder: Path, settings: Any) -> LabVersion:
    """The small course, served; its one lab."""
    settings.LESSONS_CONTENT = small_course.write(folder)
    services.load_course()
    selectors.forget_course()
    return LabVersion.objects.get()


def two_task_lab(**changes: Any) -> LabVersion:
    """The lab of tests/lessons/labs.py as a stored version."""
    lab = labs.lab(**changes)
    version, _ = LabVersion.objects.get_or_create(
        digest=f"{abs(hash(str(changes))):064d}"[:64],
        defaults={
            "lab_id": lab.id, "lesson_id": "first", "lesson_slug": "first",
            "spec": lab.model_dump(mode="json"), "checks": labs.CHECKS,
        },
    )  # fmt: skip
    return version


def sandbox(user: User, state: str = "ready") -> Sandbox:
    return Sandbox.objects.create(owner=user, state=state)


def attempt(user: User, version: LabVersion, box: Sandbox | None) -> Attempt:
    """An open attempt with its rows, as `start_attempt` leaves it."""
    now = timezone.now()
    made = Attempt.objects.create(
        user=user, lab=version, lab_id_text=version.lab_id, lesson_id=version.lesson_id, sandbox=box,
        nonce="n0nce", seed=1, activated_at=now,
    )  # fmt: skip
    for task in version.spec["tasks"]:
        TaskProgress.objects.update_or_create(
            user=user, lab_id=version.lab_id, task_id=task["id"],
            defaults={
                "lesson_id": version.lesson_id, "attempt": made, "state": "waiting", "verdict": {},
                "activated_at": None if task["requires"] else now,
            },
        )  # fmt: skip
    return made


def progress(user: User, task_id: str) -> TaskProgress:
    return TaskProgress.objects.get(user=user, task_id=task_id)
