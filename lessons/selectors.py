"""Reads for pages: the course as it is served, and where one student stands in it.

The course is kept in memory and asked for anew every two seconds; a student's rows are read per request.
"""

from __future__ import annotations

import threading
import time
import zlib
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.urls import reverse
from django.utils import timezone

from accounts.models import User
from lessons.labs import Lab
from lessons.models import Attempt, CourseVersion, LabVersion, LessonPage, TaskProgress
from lessons.panels import TaskRow, TaskStanding, task_rows
from lessons.search import SHOWN, Entry, find
from lessons.stencil import Piece, Stencil
from sandboxes.models import Sandbox

FRESH_S = 2.0


@dataclass(frozen=True, slots=True)
class ServedLab:
    version: LabVersion
    lab: Lab


@dataclass(frozen=True, slots=True)
class ServedCourse:
    """The current course. pages by slug; labs by lesson slug, in order. Shared by threads: never changed.

    stencils, pieces: what lessons.pages has rendered of this course so far.
    """

    version: CourseVersion
    pages: Mapping[str, LessonPage]
    labs: Mapping[str, tuple[ServedLab, ...]]
    by_lesson_id: Mapping[str, LessonPage]
    entries: tuple[Entry, ...]
    stencils: dict[Hashable, Stencil] = field(default_factory=dict)
    pieces: dict[Hashable, Piece] = field(default_factory=dict)


@dataclass(slots=True)
class _Kept:
    course: ServedCourse | None = None
    until: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


_kept = _Kept()


def current_course() -> ServedCourse | None:
    """The course that is served; None before the first `load_course`."""
    if time.monotonic() < _kept.until:
        return _kept.course
    with _kept.lock:
        version = CourseVersion.objects.filter(current=True).first()
        if version is None:
            _kept.course = None
        elif _kept.course is None or _kept.course.version.digest != version.digest:
            _kept.course = _read(version)
        _kept.until = time.monotonic() + FRESH_S
        return _kept.course


def forget_course() -> None:
    """Read the course anew on the next request; for tests and for the process that loads it."""
    _kept.course, _kept.until = None, 0.0


def _read(version: CourseVersion) -> ServedCourse:
    pages = {page.slug: page for page in LessonPage.objects.filter(course=version)}
    digests = [digest for page in pages.values() for digest in page.labs]
    versions = {lab.digest: lab for lab in LabVersion.objects.filter(digest__in=digests)}
    labs = {slug: tuple(_served(versions[digest]) for digest in page.labs) for slug, page in pages.items()}
    by_id = {page.lesson_id: page for page in pages.values()}
    return ServedCourse(version, pages, labs, by_id, tuple(_entries(version, pages)))


def _entries(version: CourseVersion, pages: Mapping[str, LessonPage]) -> Iterator[Entry]:
    """What search looks through: the map's line of every lesson, and the passages of the written ones."""
    for lesson in (lesson for part in version.parts for lesson in part["lessons"]):
        page = pages.get(lesson["slug"])
        about: dict[str, Any] = {"number": lesson["number"], "lesson": lesson["title"]}
        url = lesson_url(page.slug) if page else ""
        yield Entry(**about, kind="text", heading=lesson["title"], text=lesson["summary"], url=url)
        for row in page.passages if page else ():
            yield Entry(
                **about,
                kind=row["kind"],
                heading=row["heading"] or lesson["title"],
                text=row["text"],
                url=f"{url}#{row['anchor']}" if row["anchor"] else url,
            )


def _served(version: LabVersion) -> ServedLab:
    return ServedLab(version, Lab.stored(version.spec))


# -- one lab's panel ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class LabPanel:
    """What lessons/lab.html shows.

    state: "open"; "elsewhere", its sandbox is gone; "done", every task has passed; else "idle".
    points: what its tasks brought, in this attempt or an earlier one; None while none has passed.
    """

    lab: Lab
    digest: str
    brief: str
    lesson_slug: str
    state: str
    tasks: tuple[TaskRow, ...]
    sandbox_ready: bool
    folder: str
    points: int | None = None
    error: str = ""

    @property
    def stamp(self) -> str:
        """Differs when anything on the panel does."""
        shown = (self.lab.id, self.state, self.sandbox_ready, self.tasks, self.points, self.error)
        return f"{zlib.crc32(repr(shown).encode()):08x}"


def progress_of(user: User, lesson_id: str) -> dict[str, list[TaskProgress]]:
    """A student's rows of one lesson by lab id, with their attempts, in one query."""
    rows = TaskProgress.objects.filter(user=user, lesson_id=lesson_id).select_related("attempt")
    found: dict[str, list[TaskProgress]] = defaultdict(list)
    for row in rows:
        found[row.lab_id].append(row)
    return found


def lab_panel(
    served: ServedLab, rows: Iterable[TaskProgress], sandbox: Sandbox | None, *, error: str = ""
) -> LabPanel:
    """One lab as one student sees it now."""
    rows = list(rows)
    served = _begun_version(served, rows)
    standings = {row.task_id: standing(row) for row in rows}
    attempt = _open_attempt(rows)
    state = _state(served.lab, rows, attempt, sandbox)
    return LabPanel(
        lab=served.lab,
        digest=served.version.digest,
        brief=served.version.brief,
        lesson_slug=served.version.lesson_slug,
        state=state,
        tasks=task_rows(
            served.lab,
            served.version.task_texts,
            standings,
            begun=state == "open",
            now=timezone.now().timestamp(),
        ),
        sandbox_ready=sandbox is not None and sandbox.state in ("ready", "degraded"),
        folder=served.lab.slug,
        points=_points(served.lab, rows),
        error=error,
    )


def _points(lab: Lab, rows: Iterable[TaskProgress]) -> int | None:
    asked = {task.id for task in lab.tasks}
    given = [row.points for row in rows if row.passed_at is not None and row.task_id in asked]
    return sum(given) if given else None


def _begun_version(served: ServedLab, rows: list[TaskProgress]) -> ServedLab:
    """The version an open attempt began with: a lab that is revised meanwhile is finished as it was."""
    attempt = _open_attempt(rows)
    if attempt is None or attempt.lab_id == served.version.pk:
        return served
    return _served(LabVersion.objects.get(pk=attempt.lab_id))


def _open_attempt(rows: Iterable[TaskProgress]) -> Attempt | None:
    """The attempt under way. The row of a task that the lab has no longer keeps the one it was last in."""
    attempts = (row.attempt for row in rows)
    return next((one for one in attempts if one is not None and one.ended_at is None), None)


def task_exists(served: ServedLab, user: User, task_id: str) -> bool:
    """Whether a task is in the lab as it is, or as this student began it."""
    if task_id in {task.id for task in served.lab.tasks}:
        return True
    return TaskProgress.objects.filter(user=user, lab_id=served.lab.id, task_id=task_id).exists()


def _state(lab: Lab, rows: list[TaskProgress], attempt: Attempt | None, sandbox: Sandbox | None) -> str:
    if attempt is not None:
        return "open" if sandbox is not None and attempt.sandbox_id == sandbox.id else "elsewhere"
    passed = {row.task_id for row in rows if row.passed_at is not None}
    return "done" if passed >= {task.id for task in lab.tasks} else "idle"


def standing(row: TaskProgress) -> TaskStanding:
    return TaskStanding(
        state=row.state,
        verdict=row.verdict,
        judged_at=_epoch(row.judged_at),
        took_ms=row.took_ms,
        activated_at=_epoch(row.activated_at),
        passed_at=_epoch(row.passed_at),
        points=row.points,
        failures=row.failures,
        hints=row.hints,
        last_cause=row.last_cause,
    )


# -- search ------------------------------------------------------------------------------------------------

KINDS = (("", "Everything"), ("text", "Lessons"), ("lab", "Labs"), ("term", "Terms"))


def search_results(served: ServedCourse, query: str, kind: str) -> dict[str, Any]:
    """What search.html shows: the hits of the chosen kind, and how many there are of each."""
    found = find(served.entries, query)
    kind = kind if kind in dict(KINDS) else ""
    hits = [hit for hit in found if kind in ("", hit.entry.kind)]
    kinds = [
        {"id": name, "title": title, "count": sum(name in ("", hit.entry.kind) for hit in found)}
        for name, title in KINDS
    ]
    return {
        "query": query,
        "kind": kind,
        "kinds": kinds,
        "hits": hits[:SHOWN],
        "count": len(hits),
        "of": len(found),
    }


# -- addresses ---------------------------------------------------------------------------------------------


def neighbours(served: ServedCourse, slug: str) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The written lessons before and after one."""
    pages = sorted(served.pages.values(), key=lambda page: page.number)
    at = next(n for n, page in enumerate(pages) if page.slug == slug)
    before = _link(pages[at - 1]) if at else None
    after = _link(pages[at + 1]) if at + 1 < len(pages) else None
    return before, after


def _link(page: LessonPage) -> dict[str, Any]:
    return {"number": page.number, "title": page.front["title"], "url": lesson_url(page.slug)}


def lesson_url(slug: str) -> str:
    return reverse("lessons:lesson", args=[slug])


def _epoch(at: datetime | None) -> float | None:
    return at.timestamp() if at is not None else None
