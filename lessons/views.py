"""HTTP's way to lessons, labs and questions. A student only ever reaches their own rows: nothing in an
address names a user or an attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from accounts.csp import editor_page
from accounts.models import User
from lessons import selectors, services
from lessons.asked import answered, not_written, refused
from lessons.course_map import course_map, course_outline, recent_verdicts
from lessons.errors import LessonError
from lessons.models import LessonPage
from lessons.pages import every_card, lesson_answer
from lessons.quizzes import Item
from lessons.search import LONGEST
from lessons.selectors import ServedCourse, ServedLab
from sandboxes import limits
from sandboxes.access import address_of, signed_in
from sandboxes.errors import TooOften
from sandboxes.selectors import live_sandbox


@require_safe
def front(request: HttpRequest) -> HttpResponse:
    """The course map of whoever is signed in; for everybody else, what this is."""
    return home(request) if request.user.is_authenticated else welcome(request)


def welcome(request: HttpRequest) -> HttpResponse:
    """What the course is and how far it is written, without an account."""
    served = selectors.current_course()
    context = course_outline(served) if served else {}
    return render(request, "lessons/welcome.html", context)


def home(request: HttpRequest) -> HttpResponse:
    """The course map, where the student stands on it, and what was judged last."""
    served, user = _course(), _user(request)
    context = course_map(served, user)
    context |= {"verdicts": recent_verdicts(served, user), "sandbox": live_sandbox(user)}
    return render(request, "lessons/home.html", context)


@signed_in
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Passages of the course with the words of ?q=; only the results when the page asks as one types."""
    query, kind = request.GET.get("q", "").strip()[:LONGEST], request.GET.get("kind", "")
    context = selectors.search_results(_course(), query, kind)
    part = "#results" if request.headers.get("HX-Target") == "results" else ""
    response = render(request, f"lessons/search.html{part}", context)
    # Going back in the browser must not take the stored part for the page.
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


@signed_in
@require_safe
def board(request: HttpRequest) -> HttpResponse:
    """The student's whole sandbox on a page of its own, and all that the course's labs offer to break."""
    served, user = _course(), _user(request)
    context = {"course": served.version, "sandbox": live_sandbox(user), "deck": every_card(served)}
    return render(request, "lessons/board.html", context)


@signed_in
@require_POST
def place(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the section that the student is reading."""
    page = _page(_course(), slug)
    services.keep_place(_user(request), page, request.POST.get("anchor", ""))
    return HttpResponse(status=204)


@signed_in
@require_safe
@editor_page
def lesson(request: HttpRequest, slug: str) -> HttpResponse:
    """A lesson: stored HTML with the student's own answers and labs in their places."""
    served = _course()
    return lesson_answer(request, served, _page(served, slug), _user(request))


@signed_in
@require_safe
def lab(request: HttpRequest, slug: str, lab: str) -> HttpResponse:
    """The panel of one lab, as it is now; 204 when the page has that one already."""
    return _panel(request, slug, lab, have=request.GET.get("have", ""))


@signed_in
@require_POST
def start(request: HttpRequest, slug: str, lab: str) -> HttpResponse:
    """Begin the lab, or go on with it."""
    served = _lab(slug, lab)
    begin = partial(services.start_attempt, _user(request), served.version)
    return _panel(request, slug, lab, begin, limit=limits.LAB)


@signed_in
@require_POST
def reset(request: HttpRequest, slug: str, lab: str) -> HttpResponse:
    """Begin the lab anew."""
    served = _lab(slug, lab)
    anew = partial(services.reset_lab, _user(request), served.version)
    return _panel(request, slug, lab, anew, limit=limits.LAB)


@signed_in
@require_POST
def check(request: HttpRequest, slug: str, lab: str, task: str) -> HttpResponse:
    """Judge now."""
    served = _lab(slug, lab)
    _require_task(request, served, task)
    judge = partial(services.check_now, _user(request), served.lab.id, task)
    return _panel(request, slug, lab, judge, limit=limits.GRADE)


@signed_in
@require_POST
def hint(request: HttpRequest, slug: str, lab: str, task: str, step: int) -> HttpResponse:
    """Open a hint of a task."""
    served = _lab(slug, lab)
    _require_task(request, served, task)
    open_it = partial(services.open_hint, _user(request), served.lab.id, task, step)
    return _panel(request, slug, lab, open_it, limit=limits.GRADE)


@signed_in
@require_POST
def quiz(request: HttpRequest, slug: str, item: str) -> HttpResponse:
    """Answer a question; says why, right or wrong."""
    page = _page(_course(), slug)
    ask = _ask(page, "quiz", item)
    typed = Item.stored(ask["item"])
    places = _places(request, typed)
    given = _in_order(places) if typed.kind == "order" else request.POST.get("answer", "")[:300]
    try:
        _spend(request, limits.ANSWER)
        answer = services.answer_quiz(_user(request), page.lesson_id, typed, given)
    except TooOften as error:
        return _later(HttpResponse(refused(ask, given, places, error.sentence)), error)
    except LessonError as error:
        return HttpResponse(refused(ask, given, places, error.sentence))
    return HttpResponse(answered(ask, answer))


@signed_in
@require_POST
def predict(request: HttpRequest, slug: str, item: str) -> HttpResponse:
    """Write a prediction down and show the answer."""
    page = _page(_course(), slug)
    ask = _ask(page, "predict", item)
    chosen = request.POST.get("answer", "")
    try:
        _spend(request, limits.ANSWER)
        answer = services.predict(_user(request), page.lesson_id, ask, chosen)
    except TooOften as error:
        return _later(HttpResponse(not_written(ask, chosen, error.sentence)), error)
    except LessonError as error:
        return HttpResponse(not_written(ask, chosen, error.sentence))
    return HttpResponse(answered(ask, answer))


# -- pieces ------------------------------------------------------------------------------------------------


def _panel(
    request: HttpRequest,
    slug: str,
    lab: str,
    action: Callable[[], object] | None = None,
    *,
    limit: limits.Limit | None = None,
    have: str = "",
) -> HttpResponse:
    """Do the action, then the lab's panel; a refusal becomes a sentence on it."""
    served, user, error, often = _lab(slug, lab), _user(request), "", None
    try:
        if limit is not None:
            _spend(request, limit)
        if action is not None:
            action()
    except TooOften as refusal:
        error, often = refusal.sentence, refusal
    except LessonError as refusal:
        error = refusal.sentence
    rows = selectors.progress_of(user, served.version.lesson_id).get(served.lab.id, [])
    panel = selectors.lab_panel(served, rows, live_sandbox(user), error=error)
    if have == panel.stamp:
        return HttpResponse(status=204)
    answer = render(request, "lessons/lab.html", {"panel": panel})
    return _later(answer, often) if often else answer


def _spend(request: HttpRequest, limit: limits.Limit) -> None:
    limits.spend(limit, _user(request).pk, address=address_of(request))


def _later(response: HttpResponse, often: TooOften) -> HttpResponse:
    """The same answer as a refusal that says when to come back."""
    response.status_code = 429
    response["Retry-After"] = str(often.retry_after_s)
    return response


def _places(request: HttpRequest, item: Item) -> dict[str, int]:
    """The places chosen in the form of an order, by option; those that were chosen."""
    chosen = {option.id: request.POST.get(f"place-{option.id}", "") for option in item.options}
    return {name: int(place) for name, place in chosen.items() if place.isdecimal() and len(place) < 3}


def _in_order(places: dict[str, int]) -> str:
    """Option ids by place; "" where a place is missing or chosen twice."""
    if sorted(places.values()) != list(range(1, len(places) + 1)):
        return ""
    return ",".join(sorted(places, key=lambda name: places[name]))


# -- what the address names --------------------------------------------------------------------------------


def _user(request: HttpRequest) -> User:
    return cast(User, request.user)


def _course() -> ServedCourse:
    served = selectors.current_course()
    if served is None:
        raise Http404("No course is loaded yet. Run manage.py load_course.")
    return served


def _page(served: ServedCourse, slug: str) -> LessonPage:
    if slug not in served.pages:
        raise Http404("There is no such lesson.")
    return served.pages[slug]


def _lab(slug: str, lab: str) -> ServedLab:
    served = _course()
    _page(served, slug)
    for one in served.labs[slug]:
        if one.lab.slug == lab:
            return one
    raise Http404("There is no such lab in this lesson.")


def _require_task(request: HttpRequest, served: ServedLab, task_id: str) -> None:
    if not selectors.task_exists(served, _user(request), task_id):
        raise Http404("There is no such task in this lab.")


def _ask(page: LessonPage, kind: str, name: str) -> dict[str, Any]:
    ask: dict[str, Any] | None = page.asks.get(f"{kind}:{name}")
    if ask is None:
        raise Http404("There is no such question in this lesson.")
    return ask
