"""The course as its folder says: read, checked and rendered, or refused with every problem in it.

    course.yaml                       parts and lessons; a lesson without a folder is "coming"
    <NN>-<slug>/lesson.md quiz.yaml   front matter and text; questions
    <NN>-<slug>/labs/<slug>/          lab.yaml brief.md checks.py starter/ solutions/ mistakes/

Reads files only; `publishing` stores what it returns.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from django.conf import settings
from django.urls import reverse
from pydantic import Field

from lessons.lab_folder import LabFolder, LabReader, looks
from lessons.labs import Sentence, Slug, TopicName, Written
from lessons.quizzes import Item, Quiz
from lessons.rendering.model import Page, Source
from lessons.rendering.page import render_page
from lessons.sources import CourseError, Document, Problems, SourceError, parse_yaml, read_text, read_yaml

_FRONT = "---"
# Changes when stored pages get another form, so that the same course is stored anew.
_FORM = b"2"


class LessonEntry(Written):
    """A lesson as the course lists it; summary: one or two sentences for the map."""

    number: Annotated[int, Field(ge=1, le=99)]
    slug: Slug
    title: Sentence
    minutes: Annotated[int, Field(ge=1)]
    summary: Sentence


class PartEntry(Written):
    id: Slug
    title: Sentence
    lessons: tuple[LessonEntry, ...] = ()


class CourseFile(Written):
    title: Sentence
    standfirst: str = ""
    parts: Annotated[tuple[PartEntry, ...], Field(min_length=1)]


class FrontMatter(Written):
    """The head of lesson.md. id never changes, whatever becomes of number and slug."""

    id: Slug
    number: int
    title: Sentence
    part: Slug
    minutes: Annotated[int, Field(ge=1)]
    lab_minutes: Annotated[int, Field(ge=0)] = 0
    standfirst: Sentence
    skills: tuple[str, ...] = ()
    prerequisites: tuple[Slug, ...] = ()
    versions: dict[str, str] = {}
    profile: str = "kafka-1"
    topics: tuple[TopicName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    path: Path
    entry: LessonEntry
    front: FrontMatter
    page: Page
    labs: tuple[LabFolder, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A course without problems. digest: changes when anything that is served does."""

    path: Path
    file: CourseFile
    lessons: tuple[Lesson, ...]
    digest: str

    def labs(self) -> Iterator[tuple[Lesson, LabFolder]]:
        for lesson in self.lessons:
            for lab in lesson.labs:
                yield lesson, lab


def content_path() -> Path:
    """Where the course lives: the setting LESSONS_CONTENT, or lessons/content of this checkout."""
    return Path(getattr(settings, "LESSONS_CONTENT", settings.BASE_DIR / "lessons" / "content"))


def read_course(path: Path) -> Course:
    """The whole course of that folder. Raises CourseError with all problems found."""
    return _Reader(path).read()


@dataclass(slots=True)
class _Draft:
    """A lesson between its front matter and its page."""

    path: Path
    entry: LessonEntry
    front: FrontMatter
    text: str
    first_line: int
    labs: tuple[LabFolder, ...] = ()
    items: dict[str, Item] = field(default_factory=dict)
    item_lines: dict[str, int] = field(default_factory=dict)


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems = Problems(path)

    def read(self) -> Course:
        file = self._course_file()
        drafts = self._drafts(file)
        self._check_ids(drafts)
        addresses = {d.front.id: reverse("lessons:lesson", args=[d.entry.slug]) for d in drafts}
        lessons = tuple(self._finish(draft, addresses) for draft in drafts)
        self._check_links(lessons)
        if self._problems.found:
            raise CourseError(self._problems.found)
        return Course(path=self._path, file=file, lessons=lessons, digest=_course_digest(file, lessons))

    # -- the course and its folders ------------------------------------------------------------------------

    def _course_file(self) -> CourseFile:
        with self._problems.stop_here():
            document = read_yaml(self._path / "course.yaml")
            file = document.load(CourseFile)
            self._check_course(file, document)
            return file
        raise CourseError(self._problems.found)

    def _check_course(self, file: CourseFile, document: Document) -> None:
        numbers: set[int] = set()
        slugs: set[str] = set()
        for p, part in enumerate(file.parts):
            for n, entry in enumerate(part.lessons):
                line = document.line(("parts", p, "lessons", n))
                if entry.number in numbers or entry.slug in slugs:
                    self._problems.add(
                        document.path, line, f"lesson {entry.number} {entry.slug} is there twice"
                    )
                numbers.add(entry.number)
                slugs.add(entry.slug)

    def _drafts(self, file: CourseFile) -> list[_Draft]:
        entries = {f"{e.number:02d}-{e.slug}": (part, e) for part in file.parts for e in part.lessons}
        drafts = []
        for folder in sorted(p for p in self._path.iterdir() if p.is_dir() and re.match(r"^\d\d-", p.name)):
            if folder.name not in entries:
                reason = "course.yaml has no lesson for this folder (<NN>-<slug>)"
                self._problems.add(folder / "lesson.md", 1, reason)
                continue
            with self._problems.stop_here():
                drafts.append(self._draft(folder, *entries[folder.name]))
        return drafts

    def _draft(self, folder: Path, part: PartEntry, entry: LessonEntry) -> _Draft:
        path = folder / "lesson.md"
        head, text, first_line = _split_front(path, read_text(path))
        front = head.load(FrontMatter)
        for name, wanted in (("number", entry.number), ("title", entry.title), ("part", part.id)):
            if getattr(front, name) != wanted:
                reason = f"{name} is {getattr(front, name)!r} here and {wanted!r} in course.yaml"
                self._problems.add(path, head.line((name,)), reason)
        draft = _Draft(path=folder, entry=entry, front=front, text=text, first_line=first_line)
        self._read_quiz(draft)
        self._read_labs(draft)
        return draft

    def _read_quiz(self, draft: _Draft) -> None:
        path = draft.path / "quiz.yaml"
        if not path.exists():
            return
        with self._problems.stop_here():
            document = read_yaml(path)
            quiz = document.load(Quiz)
            draft.items = {item.id: item for item in quiz.items}
            draft.item_lines = {item.id: document.line(("items", n)) for n, item in enumerate(quiz.items)}

    def _read_labs(self, draft: _Draft) -> None:
        found = []
        for folder in sorted((draft.path / "labs").glob("*/")):
            if folder.name.startswith((".", "_")):
                continue
            with self._problems.stop_here():
                found.append(LabReader(folder, draft.front.number, self._problems).read())
        draft.labs = tuple(sorted(found, key=lambda lab: [int(n) for n in lab.lab.id.split(".")]))

    # -- pages ---------------------------------------------------------------------------------------------

    def _finish(self, draft: _Draft, addresses: Mapping[str, str]) -> Lesson:
        source = Source(
            path=draft.path / "lesson.md",
            text=draft.text,
            first_line=draft.first_line,
            number=draft.front.number,
            slug=draft.entry.slug,
            labs={folder.lab.slug: folder.lab for folder in draft.labs},
            items=draft.items,
            item_lines=draft.item_lines,
            lessons=addresses,
        )
        page = render_page(source, self._problems)
        return Lesson(path=draft.path, entry=draft.entry, front=draft.front, page=page, labs=draft.labs)

    def _check_ids(self, drafts: list[_Draft]) -> None:
        known = {draft.front.id for draft in drafts}
        seen: set[str] = set()
        for draft in drafts:
            path = draft.path / "lesson.md"
            names = [draft.front.id, *(folder.lab.id for folder in draft.labs)]
            names += [f"lab {folder.lab.slug}" for folder in draft.labs]
            for name in names:
                if name in seen:
                    self._problems.add(path, 1, f"the id {name!r} is used by two lessons or labs")
                seen.add(name)
            for need in draft.front.prerequisites:
                if need not in known:
                    self._problems.add(path, 1, f"prerequisites: there is no lesson {need!r} yet")

    def _check_links(self, lessons: tuple[Lesson, ...]) -> None:
        by_id = {lesson.front.id: lesson for lesson in lessons}
        for lesson in lessons:
            for line, target, anchor in lesson.page.links:
                there = by_id[target] if target else lesson
                if anchor not in there.page.anchors:
                    self._problems.add(
                        lesson.path / "lesson.md", line, f"no heading or block has the id {anchor!r}"
                    )
            for folder in lesson.labs:
                for line, look in looks(folder.checks):
                    if look not in lesson.page.anchors:
                        reason = f"look={look!r} is no heading of the lesson"
                        self._problems.add(folder.path / "checks.py", line, reason)


def _split_front(path: Path, text: str) -> tuple[Document, str, int]:
    """The front matter, the text after it, and the line that text begins at."""
    lines = text.split("\n")
    if lines[0].rstrip() != _FRONT:
        raise SourceError(path, (1, "does not begin with front matter (--- lines around YAML)"))
    for index, line in enumerate(lines[1:], start=1):
        if line.rstrip() == _FRONT:
            head = parse_yaml(path, "\n".join(lines[1:index]), first_line=2)
            return head, "\n".join(lines[index + 1 :]), index + 2
    raise SourceError(path, (1, "the front matter is never closed by ---"))


def _course_digest(file: CourseFile, lessons: tuple[Lesson, ...]) -> str:
    total = hashlib.sha256(_FORM)
    _feed(total.update, file.model_dump(mode="json"))
    for lesson in lessons:
        _feed(total.update, [lesson.front.model_dump(mode="json"), lesson.page.pieces, lesson.page.asks])
        _feed(total.update, [_as_served(folder) for folder in lesson.labs])
    return total.hexdigest()


def _as_served(folder: LabFolder) -> list[Any]:
    return [folder.served, folder.lab.model_dump(mode="json"), folder.brief, dict(folder.task_texts)]


def _feed(update: Callable[[bytes], Any], data: object) -> None:
    update(json.dumps(data, sort_keys=True, ensure_ascii=False).encode())
