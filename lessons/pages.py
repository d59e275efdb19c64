"""A lesson's page for one reader: the lesson's stencil, filled with what is theirs.

The template is rendered once for each lesson and role; labs and questions that somebody began once for each
state they are in. What is left per request is one query, and putting pieces together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator, Mapping
from types import SimpleNamespace
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.html import escape

from accounts.context import shell
from accounts.models import Role, User
from lessons import selectors
from lessons.asked import answered
from lessons.course_map import lessons_done, marked_course
from lessons.models import LessonPage
from lessons.rendering.asks import safe
from lessons.selectors import ServedCourse, ServedLab
from lessons.standing import LessonRows, answer_row, progress_rows, sandbox_row, standing_of
from lessons.stencil import Piece, Stencil, gzipped, hole, plain, pressed, stored

_STATE, _FAILURES, _SANDBOX = 3, 10, 16  # columns of a raw row (lessons.standing)
# So many rendered labs and questions are kept for each course; then all are forgotten and made again.
KEPT = 2_000


def lesson_answer(request: HttpRequest, served: ServedCourse, page: LessonPage, user: User) -> HttpResponse:
    """The page as it is sent to this reader."""
    pieces = _stencil(served, page, user).fill(_filling(request, served, page, user))
    takes_gzip = "gzip" in request.headers.get("Accept-Encoding", "")
    response = HttpResponse(gzipped(pieces) if takes_gzip else plain(pieces))
    if takes_gzip:
        response.headers["Content-Encoding"] = "gzip"
    patch_vary_headers(response, ["Accept-Encoding"])
    return response


# -- the stencil -------------------------------------------------------------------------------------------


def _stencil(served: ServedCourse, page: LessonPage, user: User) -> Stencil:
    key = (page.slug, user.role, user.is_demo)
    if key not in served.stencils:
        context = _context(served, page, user)
        served.stencils[key] = Stencil(render_to_string("lessons/lesson.html", context))
    return served.stencils[key]


def _context(served: ServedCourse, page: LessonPage, user: User) -> dict[str, Any]:
    """What lessons/lesson.html is rendered with: the lesson, and holes for all that is somebody's own."""
    labs = [lab.lab for lab in served.labs[page.slug]]
    before, after = selectors.neighbours(served, page.slug)
    return {
        "course": served.version,
        "lesson": _lesson(served, page),
        "labs": labs,
        "deck": _deck(served.labs[page.slug]),
        "prev": before,
        "next": after,
        "ticks": safe(hole("ticks")),
        "sandbox": {"id": hole("sandbox"), "state": hole("state")},
        "chip": hole("chip"),
        "theme": hole("theme"),
        "csrf_token": hole("csrf"),
        "user": SimpleNamespace(
            is_authenticated=True,
            shown_name=hole("name"),
            initials=hole("initials"),
            get_role_display=Role(user.role).label,
            is_demo=user.is_demo,
            is_staff_member=user.is_staff_member,
            is_admin=user.is_admin,
        ),
    }


def _lesson(served: ServedCourse, page: LessonPage) -> dict[str, Any]:
    part = next(part for part in served.version.parts if part["id"] == page.front["part"])
    return {
        **page.front,
        "slug": page.slug,
        "part": f"Part {part['id'].upper()}, {part['title']}",
        "outline": [(anchor, title) for anchor, title, _ in page.outline],
        "html": safe("".join(_cut(page))),
    }


def _cut(page: LessonPage) -> Iterator[str]:
    """The stored pieces, a hole for each lab and question."""
    for kind, first, *_ in page.pieces:
        yield first if kind == "html" else hole(f"{kind}:{first}")


def _deck(labs: tuple[ServedLab, ...]) -> list[Any]:
    """The faults this lesson's labs offer, each once."""
    cards = {(card.fault, card.node, card.ms): card for served in labs for card in served.lab.deck}
    return list(cards.values())


def every_card(served: ServedCourse) -> list[Any]:
    """The faults that any lab of the course offers, one of each kind."""
    return list({card.fault: card for labs in served.labs.values() for card in _deck(labs)}.values())


# -- what is filled in -------------------------------------------------------------------------------------


def _filling(request: HttpRequest, served: ServedCourse, page: LessonPage, user: User) -> Mapping[str, Piece]:
    standing = standing_of(user.pk, page.lesson_id)
    box = standing.sandbox
    state = box[_STATE] if box else ""
    name = str(sandbox.id) if (sandbox := sandbox_row(box)) else ""
    return {
        "csrf": stored(get_token(request)),
        "theme": stored(shell(request)["theme"]),
        "name": stored(escape(user.shown_name)),
        "initials": stored(escape(user.initials)),
        "sandbox": stored(name),
        "state": stored(state),
        "chip": stored(state or "none"),
        "ticks": _ticks(served, page, standing),
        **dict(_asked(served, page, standing)),
        **dict(_labs(served, page, standing)),
    }


def _kept(served: ServedCourse, key: Hashable, make: Callable[[], str]) -> Piece:
    """A piece that was made for somebody in the same state, else made now."""
    piece = served.pieces.get(key)
    if piece is None:
        if len(served.pieces) >= KEPT:
            served.pieces.clear()
        piece = served.pieces[key] = pressed(make())
    return piece


def _ticks(served: ServedCourse, page: LessonPage, standing: LessonRows) -> Piece:
    done = lessons_done(served, standing.passed)
    key = ("ticks", page.number, done)
    return _kept(served, key, lambda: _ticks_html(served, page.number, done))


def _ticks_html(served: ServedCourse, here: int, done: frozenset[int]) -> str:
    context = {**marked_course(served, done), "here": here, "next": {"number": here}}
    return render_to_string("lessons/ticks.html", context)


def _asked(served: ServedCourse, page: LessonPage, standing: LessonRows) -> Iterator[tuple[str, Piece]]:
    """Each question and prediction: blank, or with the reader's answer."""
    for kind, name, *blank in page.pieces:
        if kind not in ("quiz", "predict"):
            continue
        slot = f"{kind}:{name}"
        row = standing.answers.get(slot)
        if row is None:
            yield slot, _kept(served, (page.slug, slot), lambda blank=blank: blank[0])  # type: ignore[misc]
        else:
            ask = page.asks[slot]
            make = lambda ask=ask, row=row: answered(ask, answer_row(row))  # noqa: E731
            yield slot, _kept(served, (page.slug, row), make)


def _labs(served: ServedCourse, page: LessonPage, standing: LessonRows) -> Iterator[tuple[str, Piece]]:
    """Each lab's panel."""
    box = standing.sandbox
    for lab in served.labs[page.slug]:
        rows = standing.labs.get(lab.lab.id, ())
        # A locked hint says in how many minutes it opens.
        minute = int(time.time() // 60) if any(row[_FAILURES] not in (None, "{}") for row in rows) else 0
        key = (lab.version.digest, rows, box and (box[_STATE], box[_SANDBOX]), minute)

        def panel(lab: ServedLab = lab, rows: tuple[Any, ...] = rows) -> str:
            shown = selectors.lab_panel(lab, progress_rows(rows), sandbox_row(box))
            return render_to_string("lessons/lab.html", {"panel": shown})

        yield f"lab:{lab.lab.slug}", _kept(served, key, panel)
