"""The admin's pages under /console/. Each address gives a whole page, or to htmx the part that changes."""

import logging
from collections.abc import Callable, Mapping
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.models import User
from sandboxes import placement
from sandboxes.console import acts, words
from sandboxes.console import services as cluster_services
from sandboxes.console.access import admin_of, admins_only, proven
from sandboxes.console.acts import ACTS, Act
from sandboxes.console.capacity import capacity
from sandboxes.console.fleet import fleet
from sandboxes.console.question import Question
from sandboxes.console.seen import seen
from sandboxes.console.story import story
from sandboxes.errors import NotPossibleNow, SandboxError
from sandboxes.models import Cluster, PoolReservation, Sandbox
from sandboxes.services import PROFILES

logger = logging.getLogger(__name__)

SHOWN_EVENTS = 20


@require_safe
@admins_only
def home(request: HttpRequest) -> HttpResponse:
    """The console begins with its list."""
    return redirect("console:sandboxes")


@require_safe
@admins_only
def sandboxes(request: HttpRequest) -> HttpResponse:
    """Every sandbox: ?q= &state= &cluster= &cause= &owner= &sort= &page=."""
    context = {"fleet": fleet(Question.of(request.GET.dict()))}
    return render(request, _page(request, "console/sandboxes.html", "console/fleet.html"), context)


def _page(request: HttpRequest, whole: str, part: str) -> str:
    return part if request.headers.get("HX-Request") else whole


@require_safe
@admins_only
def sandbox(request: HttpRequest, sandbox_id: UUID) -> HttpResponse:
    """One sandbox, in whatever state; what its machine sees of it comes when the page is there."""
    found = _sandbox(sandbox_id)
    context = {"story": story(found), "acts": acts.possible(found), "at_once": acts.AT_ONCE}
    return render(request, _page(request, "console/sandbox.html", "console/story.html"), context)


@require_safe
@admins_only
def sandbox_seen(request: HttpRequest, sandbox_id: UUID) -> HttpResponse:
    """What its machine sees of it: one observation, so that the page itself never waits for a machine."""
    found = _sandbox(sandbox_id)
    context = {"sandbox": found, "seen": seen(found)}
    return render(request, _page(request, "console/seen_page.html", "console/seen.html"), context)


@require_http_methods(["GET", "HEAD", "POST"])
@admins_only
def act(request: HttpRequest, sandbox_id: UUID, name: str) -> HttpResponse:
    """GET asks whether it is meant, POST does it. What destroys asks for the password again first."""
    chosen = ACTS.get(name)
    if chosen is None:
        raise Http404
    answer: HttpResponse = (proven(_act) if chosen.destroys else _act)(request, _sandbox(sandbox_id), chosen)
    return answer


@require_safe
@admins_only
def clusters(request: HttpRequest) -> HttpResponse:
    """All clusters, their pools and queue, failures by cause, and what needs a person."""
    context = {"capacity": capacity()}
    return render(request, _page(request, "console/clusters.html", "console/capacity.html"), context)


@require_safe
@admins_only
def cluster(request: HttpRequest, cluster_id: int) -> HttpResponse:
    """What can be changed about one cluster."""
    found = get_object_or_404(Cluster, pk=cluster_id)
    shown = {
        "cluster": found,
        "starts": placement.starts_at_once(found),
        "most_at_once": cluster_services.MOST_AT_ONCE,
        "most_reserved": cluster_services.MOST_RESERVED,
        "profiles": PROFILES,
        "events": found.events.select_related("by").order_by("-pk")[:SHOWN_EVENTS],
    }
    return render(request, "console/cluster.html", shown)


@require_POST
@admins_only
def cluster_act(request: HttpRequest, cluster_id: int, what: str) -> HttpResponse:
    """open, close, starts (starts), reserve (profile, count, minutes, reason)."""
    found = get_object_or_404(Cluster, pk=cluster_id)
    act = _CLUSTER_ACTS.get(what)
    if act is None:
        raise Http404
    return _do(request, lambda: act(found, request.POST, admin_of(request)), "console:clusters")


_CLUSTER_ACTS: Mapping[str, Callable[[Cluster, QueryDict, User], str]] = {
    "open": lambda found, given, by: cluster_services.set_open(found, is_open=True, by=by),
    "close": lambda found, given, by: cluster_services.set_open(found, is_open=False, by=by),
    "starts": lambda found, given, by: cluster_services.set_starts_at_once(
        found, starts=_number(given.get("starts")), by=by
    ),
    "reserve": lambda found, given, by: cluster_services.reserve(
        found,
        profile=given.get("profile", ""),
        count=_number(given.get("count")),
        minutes=_number(given.get("minutes")),
        reason=given.get("reason", "").strip(),
        by=by,
    ),
}


@require_POST
@admins_only
def release(request: HttpRequest, reservation_id: int) -> HttpResponse:
    """Give up what is left of a reservation."""
    found = get_object_or_404(PoolReservation, pk=reservation_id)
    return _do(request, lambda: cluster_services.release(found, by=admin_of(request)), "console:clusters")


def _do(request: HttpRequest, do: Callable[[], str], back: str, *args: object) -> HttpResponse:
    """Do it, go back to where it is seen, and say there in one sentence what was done or why it was not."""
    try:
        messages.success(request, do())
    except SandboxError as error:
        messages.error(request, words.for_staff(error.sentence))
    return redirect(back, *args)


def _number(given: str | None) -> int:
    """A whole number from a form; -1, which nobody accepts, for anything else."""
    return int(given) if given and given.isascii() and given.isdigit() and len(given) < 7 else -1


def _act(request: HttpRequest, found: Sandbox, chosen: Act) -> HttpResponse:
    refused = chosen.refused(found)
    if request.method != "POST":
        return _ask(request, found, chosen, refused=refused)
    if not refused and chosen.destroys and request.POST.get("reference", "").strip() != found.reference:
        wrong = f"That is not its reference. Type {found.reference} to go on."
        return _ask(request, found, chosen, wrong=wrong, status=422)
    logger.info("console.act", extra={"sandbox": found.hex, "act": chosen.name, "by": request.user.pk})
    return _do(request, lambda: _meant(request, found, chosen, refused), "console:sandbox", found.pk)


def _meant(request: HttpRequest, found: Sandbox, chosen: Act, refused: str) -> str:
    if refused:
        raise NotPossibleNow(refused)
    return chosen.do(found, admin_of(request), request.POST.dict())


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
        "longest_reason": acts.LONGEST_REASON,
        "reason": request.POST.get("reason", ""),
    }
    return render(request, "console/act.html", context, status=status)


def _sandbox(sandbox_id: UUID) -> Sandbox:
    return get_object_or_404(Sandbox.objects.select_related("owner", "cluster"), pk=sandbox_id)
