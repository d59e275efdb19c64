"""HTTP's way to lessons, labs and questions. A student only ever reaches their own rows: nothing in an
address names a user or an attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import escape
from django.utils.safestring import SafeString
from django.views.decorators.http import require_GET, require_POST

from accounts.csp import editor_page
from accounts.models import User
from lessons import selectors, services
from lessons.errors import LessonError
from lessons.models import Answer, LessonPage
from lessons.quizzes import Item
from lessons.rendering.page import fill_ask, safe
from lessons.search import LONGEST
from lessons.selectors import LabPanel, ServedCourse, ServedLab
from sandboxes.selectors import live_sandbox

# (lab version, lesson, sandbox ready) -> HTML; two entries for each lab that was ever served by this process.
_blank_panels: dict[tuple[str, str, bool], str] = {}


@require_GET
def front(request: HttpRequest) -> HttpResponse:
    """The course map of whoever is signed in; for everybody else, what this is."""
    return home(request) if request.user.is_authenticated else welcome(request)


def welcome(request: HttpRequest) -> HttpResponse:
    """What the course is and how far it is written, without an account."""
    served = selectors.current_course()
    context = selectors.course_outline(served) if served else {}
    return render(request, "lessons/welcome.html", context)


def home(request: HttpRequest) -> HttpResponse:
    """The course map, where the student stands on it, and what was judged last."""
    served, user = _course(), _user(request)
    context = selectors.course_map(served, user)
    context |= {"verdicts": selectors.recent_verdicts(served, user), "sandbox": live_sandbox(user)}
    return render(request, "lessons/home.html", context)


@login_required
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """Passages of the course with the words of ?q=; only the results when the page asks as one types."""
    query, kind = request.GET.get("q", "").strip()[:LONGEST], request.GET.get("kind", "")
    context = selectors.search_results(_course(), query, kind)
    partial = "#results" if request.headers.get("HX-Target") == "results" else ""
    return render(request, f"lessons/search.html{partial}", context)


@login_required
@require_POST
def place(request: HttpRequest, slug: str) -> HttpResponse:
    """Keep the section that the student is reading."""
    page = _page(_course(), slug)
    services.keep_place(_user(request), page, request.POST.get("anchor", ""))
    return HttpResponse(status=204)


@login_required
@require_GET
@editor_page
def lesson(request: HttpRequest, slug: str) -> HttpResponse:
    """A lesson: stored HTML with the student's own answers and labs in their places."""
    served, user = _course(), _user(request)
    page = _page(served, slug)
    sandbox = live_sandbox(user)
    rows = selectors.progress_of(user, page.lesson_id)
    panels = {
        lab.lab.slug: selectors.lab_panel(lab, rows.get(lab.lab.id, []), sandbox) for lab in served.labs[slug]
    }
    answers = selectors.answers_of(user, page.lesson_id)
    before, after = selectors.neighbours(served, slug)
    context = {
        "course": served.version,
        "lesson": _lesson_context(served, page, panels, answers),
        "labs": [panel.lab for panel in panels.values()],
        "panels": list(panels.values()),
        "deck": _deck(served.labs[slug]),
        "sandbox": sandbox,
        "prev": before,
        "next": after,
    }
    return render(request, "lessons/lesson.html", context)


@login_required
@require_GET
def lab(request: HttpRequest, slug: str, lab: str) -> HttpResponse:
    """The panel of one lab, as it is now; 204 when the page has that one already."""
    return _panel(request, slug, lab, have=request.GET.get("have", ""))


@login_required
@require_POST
def start(request: HttpRequest, slug: str, lab: str) -> HttpResponse:
    """Begin the lab, or go on with it."""
    served = _lab(slug, lab)
    return _panel(request, slug, lab, lambda: services.start_attempt(_user(request), served.version))


@login_required
@require_POST
def reset(request: HttpRequest, slug: str, lab: str) -> HttpResponse:
    """Begin the lab anew; with files=1 the starter files come back too."""
    served, files = _lab(slug, lab), request.POST.get("files") == "1"
    return _panel(
        request, slug, lab, lambda: services.reset_lab(_user(request), served.version, restore_files=files)
    )


@login_required
@require_POST
def check(request: HttpRequest, slug: str, lab: str, task: str) -> HttpResponse:
    """Judge now."""
    served = _lab(slug, lab)
    _require_task(request, served, task)
    return _panel(request, slug, lab, lambda: services.check_now(_user(request), served.lab.id, task))


@login_required
@require_POST
def hint(request: HttpRequest, slug: str, lab: str, task: str) -> HttpResponse:
    """Open the next hint of a task."""
    served = _lab(slug, lab)
    _require_task(request, served, task)
    return _panel(request, slug, lab, lambda: services.open_hint(_user(request), served.lab.id, task))


@login_required
@require_POST
def quiz(request: HttpRequest, slug: str, item: str) -> HttpResponse:
    """Answer a question; says why, right or wrong."""
    page = _page(_course(), slug)
    ask = _ask(page, "quiz", item)
    typed = Item.model_validate(ask["item"])
    given = _given(request, typed)
    try:
        answer = services.answer_quiz(_user(request), page.lesson_id, typed, given)
    except LessonError as error:
        state = {"given": given, "right": False, "sentence": safe(f"<p>{escape(error.sentence)}</p>")}
        return HttpResponse(fill_ask("quiz", ask, **state))
    return HttpResponse(_answered(ask, answer))


@login_required
@require_POST
def predict(request: HttpRequest, slug: str, item: str) -> HttpResponse:
    """Write a prediction down and show the answer."""
    page = _page(_course(), slug)
    ask = _ask(page, "predict", item)
    try:
        answer = services.predict(_user(request), page.lesson_id, ask, request.POST.get("answer", ""))
    except LessonError:
        return HttpResponse(fill_ask("predict", ask))
    return HttpResponse(_predicted(ask, answer))


# -- pieces ------------------------------------------------------------------------------------------------


def _panel(
    request: HttpRequest, slug: str, lab: str, action: Callable[[], object] | None = None, *, have: str = ""
) -> HttpResponse:
    """Do the action, then the lab's panel; a refusal becomes a sentence on it."""
    served, user, error = _lab(slug, lab), _user(request), ""
    try:
        if action is not None:
            action()
    except LessonError as refused:
        error = refused.sentence
    rows = selectors.progress_of(user, served.version.lesson_id).get(served.lab.id, [])
    panel = selectors.lab_panel(served, rows, live_sandbox(user), error=error)
    if have == panel.stamp:
        return HttpResponse(status=204)
    return render(request, "lessons/lab.html", {"panel": panel})


def _lesson_context(
    served: ServedCourse, page: LessonPage, panels: dict[str, LabPanel], answers: dict[str, Answer]
) -> dict[str, Any]:
    part = next(part for part in served.version.parts if part["id"] == page.front["part"])
    return {
        **page.front,
        "slug": page.slug,
        "part": f"Part {part['id'].upper()}, {part['title']}",
        "outline": [(anchor, title) for anchor, title, _ in page.outline],
        "html": _html(page, panels, answers),
    }


def _html(page: LessonPage, panels: dict[str, LabPanel], answers: dict[str, Answer]) -> SafeString:
    parts = []
    for kind, *rest in page.pieces:
        if kind == "html":
            parts.append(rest[0])
        elif kind == "lab":
            parts.append(_lab_html(panels[rest[0]]))
        else:
            parts.append(_asked(page, kind, rest[0], rest[1], answers))
    return safe("".join(parts))


def _lab_html(panel: LabPanel) -> str:
    """A lab's panel; the one of a lab not begun is the same for everybody and rendered once."""
    if not panel.is_blank:
        return render_to_string("lessons/lab.html", {"panel": panel})
    key = (panel.digest, panel.lesson_slug, panel.sandbox_ready)
    if key not in _blank_panels:
        _blank_panels[key] = render_to_string("lessons/lab.html", {"panel": panel})
    return _blank_panels[key]


def _asked(page: LessonPage, kind: str, name: str, blank: str, answers: dict[str, Answer]) -> str:
    answer = answers.get(f"{kind}:{name}")
    if answer is None:
        return blank
    ask = page.asks[f"{kind}:{name}"]
    return _answered(ask, answer) if kind == "quiz" else _predicted(ask, answer)


def _answered(ask: dict[str, Any], answer: Answer) -> str:
    """A question with a student's answer and the reason why it is right or not."""
    state: dict[str, Any] = {
        "given": answer.answer,
        "right": bool(answer.right),
        "sentence": _why(ask, answer),
    }
    if ask["kind"] == "order":
        places = {name: n for n, name in enumerate(answer.answer.split(","), start=1)}
        state["options"] = [
            {**option, "html": safe(option["html"]), "place": places.get(option["id"])}
            for option in ask["options"]
        ]
    return fill_ask("quiz", ask, **state)


def _why(ask: dict[str, Any], answer: Answer) -> SafeString:
    if ask["kind"] == "choice":
        why = next((option["why"] for option in ask["options"] if option["id"] == answer.answer), "")
    else:
        why = ask["why"] if answer.right else ask["whys"].get(answer.answer, "Not yet. Try once more.")
    if answer.right and answer.measured is not None:
        why = f"<b>Your cluster says {answer.measured:g}.</b> {why}"
    return safe(f"<p>{why}</p>")


def _predicted(ask: dict[str, Any], answer: Answer) -> str:
    expected = next((option["html"] for option in ask["options"] if option["id"] == answer.answer), "")
    return fill_ask("predict", ask, given=answer.answer, expected=safe(expected))


def _given(request: HttpRequest, item: Item) -> str:
    """The answer in a form's fields; an order comes as one place per option."""
    if item.kind != "order":
        return request.POST.get("answer", "")[:300]
    places = {option.id: request.POST.get(f"place-{option.id}", "") for option in item.options}
    if sorted(places.values()) != sorted(str(n) for n in range(1, len(places) + 1)):
        return ""
    return ",".join(sorted(places, key=lambda name: int(places[name])))


def _deck(labs: tuple[ServedLab, ...]) -> list[Any]:
    """The faults this lesson's labs offer, each once."""
    cards = {(card.fault, card.node, card.ms): card for served in labs for card in served.lab.deck}
    return list(cards.values())


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
