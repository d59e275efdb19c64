"""Rows of what is taught and how each student is doing.

The course is stored as it was rendered, version by version. A verdict row is written once and never
changed; what a page shows of a task is kept beside it in TaskProgress.
"""

from __future__ import annotations

import uuid
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone


class CourseVersion(models.Model):
    """One loaded state of the course. parts: the map, as catalog.CourseFile; one row is current."""

    digest = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    standfirst = models.TextField(blank=True)
    parts = models.JSONField(default=list)
    loaded_at = models.DateTimeField(default=timezone.now)
    current = models.BooleanField(default=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["current"], condition=Q(current=True), name="lessons_one_current_course"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} {self.digest[:8]}"


class LessonPage(models.Model):
    """A lesson, rendered. pieces, outline, asks: as rendering.model.Page; front: the front matter.

    labs: digests of its LabVersions, in order; passages: rendering.passages.Passage, for search.
    """

    course = models.ForeignKey(CourseVersion, on_delete=models.CASCADE, related_name="pages")
    lesson_id = models.CharField(max_length=60)
    number = models.PositiveSmallIntegerField()
    slug = models.CharField(max_length=60)
    front = models.JSONField(default=dict)
    pieces = models.JSONField(default=list)
    outline = models.JSONField(default=list)
    asks = models.JSONField(default=dict)
    labs = models.JSONField(default=list)
    passages = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["number"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["course", "slug"], name="lessons_page_once_per_course"),
        ]

    def __str__(self) -> str:
        return f"{self.number} {self.slug}"


class LabVersion(models.Model):
    """A lab as it was when loaded, judges' source included: an attempt keeps the version it began with."""

    digest = models.CharField(max_length=64, unique=True)
    lab_id = models.CharField(max_length=10)
    lesson_id = models.CharField(max_length=60)
    lesson_slug = models.CharField(max_length=60)
    spec = models.JSONField(default=dict)
    brief = models.TextField(blank=True)
    task_texts = models.JSONField(default=dict)
    checks = models.TextField()
    workload = models.TextField(blank=True)
    starter = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"lab {self.lab_id} {self.digest[:8]}"


class Attempt(models.Model):
    """One student's go at one lab, in one sandbox.

    horizon:  log ends of the lab's topics when it began; what lies before does not count.
    sent:     workload records sent so far, by task; fired: when each stimulus began, by its name.
    lease_*:  the exclusive right to judge; token: one more for each lease given, carried by every write.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="attempts")
    lab = models.ForeignKey(LabVersion, on_delete=models.PROTECT, related_name="attempts")
    lab_id_text = models.CharField(max_length=10)
    lesson_id = models.CharField(max_length=60)
    sandbox = models.ForeignKey(
        "sandboxes.Sandbox", null=True, on_delete=models.SET_NULL, related_name="attempts"
    )
    nonce = models.CharField(max_length=20)
    seed = models.PositiveBigIntegerField()
    activated_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    horizon = models.JSONField(default=dict)
    fired = models.JSONField(default=dict)
    sent = models.JSONField(default=dict)

    lease_until = models.DateTimeField(null=True)
    lease_token = models.PositiveBigIntegerField(default=0)
    judged_at = models.DateTimeField(null=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "lab_id_text"], condition=Q(ended_at=None), name="lessons_one_open_attempt"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["ended_at", "sandbox"], name="lessons_open_attempts")]

    def __str__(self) -> str:
        return f"attempt {self.id.hex[:8]} at {self.lab_id_text}"


class TaskProgress(models.Model):
    """How one student stands with one task: the page's own copy of the latest verdict, and what lasts.

    state, verdict: of the present attempt; verdict is a verdicts.Verdict as JSON.
    activated_at, horizon: when the task became active in this attempt, and the log ends then.
    locked_horizon: log ends when it was last seen locked behind another task, if they had moved by then.
    passed_at, passed_digest: the first pass ever and the lab version it was on; never taken back.
    failures: cause -> [number of failed attempts, epoch of the first]; hints: cause -> steps opened.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="progress")
    lesson_id = models.CharField(max_length=60)
    lab_id = models.CharField(max_length=10)
    task_id = models.CharField(max_length=60)
    attempt = models.ForeignKey(Attempt, null=True, on_delete=models.SET_NULL, related_name="progress")
    state = models.CharField(max_length=10, default="waiting")
    verdict = models.JSONField(default=dict)
    judged_at = models.DateTimeField(null=True)
    took_ms = models.PositiveIntegerField(default=0)
    activated_at = models.DateTimeField(null=True)
    horizon = models.JSONField(default=dict)
    locked_horizon = models.JSONField(default=dict)
    points = models.PositiveSmallIntegerField(default=0)
    passed_at = models.DateTimeField(null=True)
    passed_digest = models.CharField(max_length=64, blank=True)
    failures = models.JSONField(default=dict)
    hints = models.JSONField(default=dict)
    last_cause = models.CharField(max_length=60, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "lab_id", "task_id"], name="lessons_progress_once"),
        ]
        indexes: ClassVar = [models.Index(fields=["user", "lesson_id"], name="lessons_progress_of_lesson")]

    def __str__(self) -> str:
        return f"{self.lab_id} {self.task_id}: {self.state}"


class VerdictRow(models.Model):
    """A result that was shown to a student; written once, never changed or removed.

    number: counts the results of one task in one attempt; two graders cannot both write the same one.
    asked:  the student pressed Check; otherwise the cluster's change led to it.
    """

    attempt = models.ForeignKey(Attempt, on_delete=models.CASCADE, related_name="verdicts")
    task_id = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=10)
    cause = models.CharField(max_length=60, blank=True)
    sentence = models.TextField(blank=True)
    evidence = models.JSONField(default=list)
    look = models.CharField(max_length=60, blank=True)
    judged_at = models.DateTimeField(default=timezone.now)
    took_ms = models.PositiveIntegerField(default=0)
    asked = models.BooleanField(default=False)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["attempt", "task_id", "number"], name="lessons_verdict_once"),
        ]

    def __str__(self) -> str:
        return f"{self.task_id} {self.state} {self.cause}"


class HintOpened(models.Model):
    """A step of a hint ladder that a student opened; kept for instructors, never a penalty."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="hints_opened")
    lab_id = models.CharField(max_length=10)
    task_id = models.CharField(max_length=60)
    cause = models.CharField(max_length=60)
    step = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "lab_id", "task_id", "cause", "step"], name="lessons_hint_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.cause} step {self.step}"


class Answer(models.Model):
    """A student's answer to a question of a lesson's text.

    kind:  "quiz", may be tried again; or "predict", written once and not graded (right stays empty).
    first: the first answer given, for finding questions that mislead; measured: a numeric item's truth
           on the student's own sandbox when they answered.
    """

    class Kind(models.TextChoices):
        QUIZ = "quiz"
        PREDICT = "predict"

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="answers")
    lesson_id = models.CharField(max_length=60)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    item_id = models.CharField(max_length=60)
    answer = models.CharField(max_length=300)
    first = models.CharField(max_length=300)
    right = models.BooleanField(null=True)
    measured = models.FloatField(null=True)
    tries = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "lesson_id", "kind", "item_id"], name="lessons_answer_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.item_id}: {self.answer}"


class Place(models.Model):
    """Where a student was last in a lesson, on whatever machine. anchor: the section's or lab's id."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="places")
    lesson_id = models.CharField(max_length=60)
    anchor = models.CharField(max_length=80)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "lesson_id"], name="lessons_one_place_per_lesson"),
        ]

    def __str__(self) -> str:
        return f"{self.lesson_id}#{self.anchor}"
