"""Reads for the course map and the front page: the whole course, and where one student stands in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts.models import User
from lessons.labs import Lab
from lessons.models import Answer, LabVersion, Place, TaskProgress, VerdictRow
from lessons.selectors import ServedCourse, ServedLab, lesson_url


@dataclass(frozen=True, slots=True, order=True)
class Moment:
    """When a student last did something in a lesson, and where on its page."""

    at: datetime
    anchor: str


def course_map(served: ServedCourse, user: User) -> dict[str, Any]:
    """The course with one student's marks, and the lesson to go on with; three queries."""
    rows = list(TaskProgress.objects.filter(user=user))
    by_task = {(row.lab_id, row.task_id): row for row in rows}
    latest = _latest_by_lesson(served, rows, user)
    numbers = {page.lesson_id: page.number for page in served.pages.values()}
    parts = [
        {**part, "minutes": sum(e["minutes"] for e in part["lessons"]), "lessons": [
            _stop(served, entry, by_task, latest, numbers) for entry in part["lessons"]
        ]}
        for part in served.version.parts
    ]  # fmt: skip
    lessons = [lesson for part in parts for lesson in part["lessons"]]
    following = _next(lessons)
    if following is not None:
        following["state"] = "now"
    return {
        "course": {
            "title": served.version.title,
            "standfirst": served.version.standfirst,
            "parts": parts,
            "lessons": len(lessons),
            "done": sum(lesson["state"] == "done" for lesson in lessons),
        },
        "next": following,
    }


def lessons_done(served: ServedCourse, passed: frozenset[tuple[str, str]]) -> frozenset[int]:
    """The numbers of the lessons all of whose tasks are passed; passed: (lab, task)."""
    return frozenset(
        served.pages[slug].number
        for slug, labs in served.labs.items()
        if labs and all((lab.lab.id, task.id) in passed for lab in labs for task in lab.lab.tasks)
    )


def marked_course(served: ServedCourse, done: frozenset[int]) -> dict[str, Any]:
    """What lessons/ticks.html needs: every lesson, and which are done."""
    parts = [
        {"lessons": [
            {"number": lesson["number"], "state": "done" if lesson["number"] in done else ""}
            for lesson in part["lessons"]
        ]}
        for part in served.version.parts
    ]  # fmt: skip
    return {
        "course": {"parts": parts, "done": len(done), "lessons": sum(len(part["lessons"]) for part in parts)}
    }


def course_outline(served: ServedCourse) -> dict[str, Any]:
    """The course for people without an account: its parts, and honestly how much of it is written."""
    lessons = [lesson for part in served.version.parts for lesson in part["lessons"]]
    pages = served.pages.values()
    return {
        "course": served.version,
        "parts": [
            {
                **part,
                "lessons": [
                    {**lesson, "written": lesson["slug"] in served.pages} for lesson in part["lessons"]
                ],
            }
            for part in served.version.parts
        ],
        "lessons": len(lessons),
        "written": len(served.pages),
        "labs": sum(len(labs) for labs in served.labs.values()),
        "minutes": sum(page.front["minutes"] + page.front["lab_minutes"] for page in pages),
        "skills": [
            skill for page in sorted(pages, key=lambda page: page.number) for skill in page.front["skills"]
        ],
    }


def _latest_by_lesson(served: ServedCourse, rows: Iterable[TaskProgress], user: User) -> dict[str, Moment]:
    """Where a student was last in each lesson, on whatever machine: reading, answering or at a lab."""
    found: dict[str, Moment] = {}
    for lesson_id, moment in _moments(served, rows, user):
        found[lesson_id] = max(moment, found.get(lesson_id, moment))
    return found


def _moments(served: ServedCourse, rows: Iterable[TaskProgress], user: User) -> Iterator[tuple[str, Moment]]:
    labs = {lab.lab.id: f"lab-{lab.lab.slug}" for labs in served.labs.values() for lab in labs}
    for row in rows:
        for at in filter(None, (row.judged_at, row.passed_at, row.activated_at)):
            yield row.lesson_id, Moment(at, labs.get(row.lab_id, ""))
    answers = Answer.objects.filter(user=user).values_list("lesson_id", "at", "kind", "item_id")
    for lesson_id, at, kind, item in answers:
        yield lesson_id, Moment(at, f"{kind}-{item}")
    for lesson_id, at, anchor in Place.objects.filter(user=user).values_list("lesson_id", "at", "anchor"):
        yield lesson_id, Moment(at, anchor)


def _stop(
    served: ServedCourse,
    entry: Mapping[str, Any],
    by_task: Mapping[tuple[str, str], TaskProgress],
    latest: Mapping[str, Moment],
    numbers: Mapping[str, int],
) -> dict[str, Any]:
    """One lesson on the map."""
    page = served.pages.get(entry["slug"])
    if page is None:
        return {**entry, "available": False, "state": "coming", "labs": [], "needs": [], "lab_minutes": 0}
    labs = [_lab_marks(lab.lab, by_task) for lab in served.labs[entry["slug"]]]
    passed = [at for lab in labs for at in lab["passed_at"]]
    complete = bool(labs) and all(lab["passed"] == len(lab["tasks"]) for lab in labs)
    moment = latest.get(page.lesson_id)
    # Somebody who is through with a lesson opens it at its beginning again.
    anchor = moment.anchor if moment and not complete else ""
    return {
        **entry,
        "available": True,
        "state": "done" if complete else "open",
        "url": lesson_url(page.slug) + (f"#{anchor}" if anchor else ""),
        "section": next((words for name, words, _ in page.outline if name == anchor), ""),
        "standfirst": page.front["standfirst"],
        "lab_minutes": page.front["lab_minutes"],
        "labs": labs,
        "needs": [numbers[need] for need in page.front["prerequisites"] if need in numbers],
        "done_at": max(passed) if complete and passed else None,
        "begun": moment is not None,
        "at": moment and moment.at,
    }


def _lab_marks(lab: Lab, by_task: Mapping[tuple[str, str], TaskProgress]) -> dict[str, Any]:
    rows = [by_task.get((lab.id, task.id)) for task in lab.tasks]
    tasks = [{"title": task.title, "state": _mark(row)} for task, row in zip(lab.tasks, rows, strict=True)]
    passed_at = [row.passed_at for row in rows if row is not None and row.passed_at is not None]
    return {
        "id": lab.id,
        "title": lab.title,
        "tasks": tasks,
        "passed": len(passed_at),
        "passed_at": passed_at,
    }


def _mark(row: TaskProgress | None) -> str:
    if row is None or row.attempt_id is None:
        return "none"
    if row.passed_at is not None:
        return "pass"
    return "fail" if row.state == "fail" else "waiting"


def _next(lessons: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The lesson begun last and not finished, else the first one not done."""
    open_ones = [lesson for lesson in lessons if lesson["state"] == "open"]
    begun = [lesson for lesson in open_ones if lesson["begun"]]
    if begun:
        return max(begun, key=lambda lesson: lesson["at"])
    return open_ones[0] if open_ones else None


_VERDICT_WORDS = {"pass": "Done", "fail": "Failed", "timed_out": "Out of time", "broken": "Ours"}


def recent_verdicts(served: ServedCourse, user: User, count: int = 6) -> list[dict[str, Any]]:
    """The last results shown to a student, newest first."""
    shown = VerdictRow.objects.filter(attempt__user=user).select_related("attempt").order_by("-pk")
    rows = list(shown.only(*_SHOWN)[:count])
    labs = {lab.version.pk: lab for labs in served.labs.values() for lab in labs}
    labs |= _former(row.attempt.lab_id for row in rows if row.attempt.lab_id not in labs)
    return [_verdict(row, labs[row.attempt.lab_id]) for row in rows]


_SHOWN = ("task_id", "state", "cause", "sentence", "judged_at", "attempt__lab_id")


def _former(keys: Iterable[int]) -> dict[int, ServedLab]:
    """Versions of labs that are not served any more; no query where there are none."""
    wanted = set(keys)
    found = LabVersion.objects.filter(pk__in=wanted).only("lab_id", "lesson_slug", "spec") if wanted else ()
    return {version.pk: ServedLab(version, Lab.stored(version.spec)) for version in found}


def _verdict(row: VerdictRow, served: ServedLab) -> dict[str, Any]:
    version, lab = served.version, served.lab
    titles = {task.id: task.title for task in lab.tasks}
    return {
        "lab": f"Lab {lab.id}",
        "task": titles.get(row.task_id, row.task_id),
        "url": f"{lesson_url(version.lesson_slug)}#lab-{lab.slug}",
        "state": row.state,
        "word": _VERDICT_WORDS.get(row.state, row.state),
        "sentence": row.sentence,
        "cause": row.cause,
        "at": row.judged_at,
    }
