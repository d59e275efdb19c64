"""The admin's pages under /console/. Each address gives a whole page, or to htmx the part that changes."""

import logging
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from sandboxes.console import acts
from sandboxes.console.access import admin_of, admins_only, proven
from sandboxes.console.acts import ACTS, Act
from sandboxes.console.fleet import Question, fleet
from sandboxes.console.seen import seen
from sandboxes.console.story import story
from sandboxes.errors import SandboxError
from sandboxes.models import Sandbox

logger = logging.getLogger(__name__)


@require_GET
@admins_only
def home(request: HttpRequest) -> HttpResponse:
    """The console begins with its list."""
    return redirect("console:sandboxes")


@require_GET
@admins_only
def sandboxes(request: HttpRequest) -> HttpResponse:
    """Every sandbox: ?q= &state= &cluster= &cause= &owner= &sort= &page=."""
    context = {"fleet": fleet(Question.of(request.GET.dict()))}
    return render(request, _page(request, "console/sandboxes.html", "console/fleet.html"), context)


def _page(request: HttpRequest, whole: str, part: str) -> str:
    return part if request.headers.get("HX-Request") else whole


@require_GET
@admins_only
def sandbox(request: HttpRequest, sandbox_id: UUID) -> HttpResponse:
    """One sandbox, in whatever state; what its machine sees of it comes when the page is there."""
    found = _sandbox(sandbox_id)
    context = {"story": story(found), "acts": acts.possible(found), "at_once": acts.AT_ONCE}
    return render(request, _page(request, "console/sandbox.html", "console/story.html"), context)


@require_GET
@admins_only
def sandbox_seen(request: HttpRequest, sandbox_id: UUID) -> HttpResponse:
    """What its machine sees of it: one observation, so that the page itself never waits for a machine."""
    found = _sandbox(sandbox_id)
    context = {"sandbox": found, "seen": seen(found)}
    return render(request, _page(request, "console/seen_page.html", "console/seen.html"), context)


@require_http_methods(["GET", "POST"])
@admins_only
def act(request: HttpRequest, sandbox_id: UUID, name: str) -> HttpResponse:
    """GET asks whether it is meant, POST does it. What destroys asks for the password again first."""
    chosen = ACTS.get(name)
    if chosen is None:
        raise Http404
    answer: HttpResponse = (proven(_act) if chosen.destroys else _act)(request, _sandbox(sandbox_id), chosen)
    return answer


def _act(request: HttpRequest, found: Sandbox, chosen: Act) -> HttpResponse:
    refused = chosen.refused(found)
    if request.method == "GET":
        return _ask(request, found, chosen, refused=refused)
    if not refused and chosen.destroys and request.POST.get("reference", "").strip() != found.reference:
        wrong = f"That is not its reference. Type {found.reference} to go on."
        return _ask(request, found, chosen, wrong=wrong, status=422)
    try:
        done = refused or chosen.do(found, admin_of(request), request.POST.dict())
    except SandboxError as error:
        refused = done = acts.for_staff(error.sentence)
    (messages.error if refused else messages.success)(request, done)
    logger.info("console.act", extra={"sandbox": found.hex, "act": chosen.name, "by": request.user.pk})
    return redirect("console:sandbox", found.pk)


def _ask(
    request: HttpRequest,
    found: Sandbox,
    chosen: Act,
    *,
    refused: str = "",
    wrong: str = "",
    status: int = 200,
) -> HttpResponse:
    context = {
        "sandbox": found,
        "act": chosen,
        "title": chosen.title.format(found.reference),
        "touches": chosen.touches(found),
        "refused": refused,
        "wrong": wrong,
        "minutes": acts.HOLD_MINUTES,
    }
    return render(request, "console/act.html", context, status=status)


def _sandbox(sandbox_id: UUID) -> Sandbox:
    return get_object_or_404(Sandbox.objects.select_related("owner", "cluster"), pk=sandbox_id)
