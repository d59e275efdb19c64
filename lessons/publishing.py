"""Storing a course that was read: rows that pages and judges are served from.

All or nothing: whatever goes wrong, the course that was current stays so.
"""

from __future__ import annotations

from django.db import transaction

from lessons.catalog import Course, Lesson
from lessons.lab_folder import LabFolder
from lessons.models import CourseVersion, LabVersion, LessonPage
from lessons.rendering.passages import passages_of

KEEP = 5


@transaction.atomic
def publish(course: Course) -> CourseVersion:
    """Make this course the current one; the same course again changes nothing."""
    version = CourseVersion.objects.filter(digest=course.digest).first() or _store(course)
    CourseVersion.objects.filter(current=True).exclude(pk=version.pk).update(current=False)
    if not version.current:
        for lesson, folder in course.labs():
            _store_lab(lesson, folder)
        version.current = True
        version.save(update_fields=["current"])
    old = (
        CourseVersion.objects.exclude(pk=version.pk)
        .order_by("-loaded_at")
        .values_list("pk", flat=True)[KEEP:]
    )
    CourseVersion.objects.filter(pk__in=list(old)).delete()
    return version


def _store(course: Course) -> CourseVersion:
    version = CourseVersion.objects.create(
        digest=course.digest,
        title=course.file.title,
        standfirst=course.file.standfirst,
        parts=[part.model_dump(mode="json") for part in course.file.parts],
    )
    LessonPage.objects.bulk_create(_page(version, lesson) for lesson in course.lessons)
    return version


def _page(version: CourseVersion, lesson: Lesson) -> LessonPage:
    return LessonPage(
        course=version,
        lesson_id=lesson.front.id,
        number=lesson.front.number,
        slug=lesson.entry.slug,
        front=lesson.front.model_dump(mode="json"),
        pieces=[list(piece) for piece in lesson.page.pieces],
        outline=[list(entry) for entry in lesson.page.outline],
        asks=lesson.page.asks,
        labs=[folder.served for folder in lesson.labs],
        passages=searchable(lesson),
    )


def searchable(lesson: Lesson) -> list[dict[str, str]]:
    """The passages that search may find: the lesson's text, and what its labs say before anything is done."""
    labs = [(folder.lab, folder.brief + "".join(folder.task_texts.values())) for folder in lesson.labs]
    return passages_of(lesson.page, labs)


def _store_lab(lesson: Lesson, folder: LabFolder) -> None:
    # The same files: but a lesson may have got another address, and this version may know other fields or
    # render the texts otherwise.
    today = {
        "lesson_id": lesson.front.id,
        "lesson_slug": lesson.entry.slug,
        "spec": folder.lab.model_dump(mode="json"),
        "brief": folder.brief,
        "task_texts": dict(folder.task_texts),
    }
    as_written = {
        "lab_id": folder.lab.id,
        "checks": folder.checks,
        "workload": folder.workload,
        "starter": dict(folder.starter),
    }
    LabVersion.objects.update_or_create(
        digest=folder.served, defaults=today, create_defaults={**today, **as_written}
    )
