"""HTTP's way to a student's own sandbox: parse, authorise, call one service or selector, answer."""

import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from sandboxes import limits, panels, provisioning, selectors, services, together
from sandboxes.access import address_of, answering, limited, refusal, sandbox_of, signed_in, student_of
from sandboxes.announce import announce
from sandboxes.backends.base import (
    FAULT_KINDS,
    FILE_BYTES,
    BackendError,
    Fault,
    FileConflict,
    FileMissing,
    FileRefused,
)
from sandboxes.errors import SandboxError, TooOften
from sandboxes.looks import Look, look
from sandboxes.models import Sandbox
from sandboxes.why import ALL, LATEST, why_alive

FAULT_S = 20
LATENCY_MS = 400
# A file as JSON, every character escaped to six; more is refused before it is parsed.
BODY_BYTES = 6 * FILE_BYTES + 1024


@require_safe
@signed_in
def panel(request: HttpRequest) -> HttpResponse:
    """The panel of the signed-in user's sandbox, whatever state it is in; a fragment for htmx."""
    return _panel(request)


@require_POST
@signed_in
def start(request: HttpRequest) -> HttpResponse:
    """Ask for a sandbox; pressing again, or in a second tab, asks for the same one."""
    return _do(request, lambda: together.start(student_of(request)))


@require_POST
@signed_in
def stop(request: HttpRequest) -> HttpResponse:
    """Put it to sleep, or cancel its start."""
    return _ask(request, services.stop_sandbox)


@require_POST
@signed_in
def resume(request: HttpRequest) -> HttpResponse:
    """Wake it."""
    return _ask(request, services.resume)


@require_POST
@signed_in
def delete(request: HttpRequest) -> HttpResponse:
    """Remove it with everything in it."""
    return _ask(request, services.delete_sandbox)


@require_POST
@signed_in
def start_over(request: HttpRequest) -> HttpResponse:
    """Replace it by an empty one."""
    return _ask(request, services.start_over)


@require_POST
@signed_in
def extend(request: HttpRequest) -> HttpResponse:
    """Start the idle clock again."""
    return _ask(request, services.extend)


@require_safe
@signed_in
def why(request: HttpRequest) -> HttpResponse:
    """Why the user's own sandbox is alive: a fragment for the panel, or a page with its whole story."""
    return _why(request, selectors.live_sandbox(student_of(request)))


@require_safe
@signed_in
def why_of(request: HttpRequest, sandbox_id: UUID) -> HttpResponse:
    """The same of any sandbox whose owner's work this user may see; for an admin, of every one."""
    sandbox = selectors.visible_sandbox(sandbox_id, student_of(request))
    if sandbox is None:
        raise Http404
    return _why(request, sandbox)


def _why(request: HttpRequest, sandbox: Sandbox | None) -> HttpResponse:
    is_fragment = bool(request.headers.get("HX-Request"))
    told = why_alive(sandbox, latest=LATEST if is_fragment else ALL) if sandbox else None
    context = {"sandbox": sandbox, "why": told, "mine": sandbox and sandbox.owner_id == request.user.pk}
    response = render(request, f"sandboxes/why{'' if is_fragment else '_page'}.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_POST
@signed_in
@limited(limits.FAULT)
@answering
def fault(request: HttpRequest, kind: str) -> HttpResponse:
    """Put one fault of the deck into the sandbox (JSON {seconds, ms, node}, all optional)."""
    known = next((name for name in FAULT_KINDS if name == kind), None)
    if known is None:
        return refusal(f"There is no fault called {kind}.", status=404)
    asked = _body(request)
    if asked is None:
        return refusal("The request could not be read. Reload the page.", status=400)
    made = Fault(
        kind=known,
        node=_number(asked.get("node"), 1, 9),
        ms=_number(asked.get("ms"), LATENCY_MS, 10_000) if known == "latency" else 0,
    )
    seconds = _number(asked.get("seconds"), FAULT_S, services.LONGEST_FAULT_S)
    record = services.inject_fault(sandbox_of(request), made, seconds=seconds)
    return JsonResponse(
        {"kind": record.kind, "ms": record.ms, "until": record.deadline.isoformat()}, status=201
    )


@require_POST
@signed_in
def undo(request: HttpRequest, kind: str) -> HttpResponse:
    """Take one's own faults of a kind out: no content for a script, the panel for who pressed on it."""
    if "application/json" in request.headers.get("Accept", ""):
        return _undo(request, kind)
    return _do(request, lambda: services.undo_own_faults(sandbox_of(request), kind))


@limited(limits.FAULT)
@answering
def _undo(request: HttpRequest, kind: str) -> HttpResponse:
    services.undo_own_faults(sandbox_of(request), kind)
    return HttpResponse(status=204)


@require_safe
@signed_in
@answering
def files(request: HttpRequest) -> HttpResponse:
    """The files of the workspace: path, size in bytes, version."""
    listed = provisioning.workspace(sandbox_of(request)).list_files()
    return JsonResponse(
        {"files": [{"path": info.path, "size": info.size, "version": info.version} for info in listed]}
    )


@require_http_methods(["GET", "PUT", "DELETE"])
@signed_in
@answering
def file(request: HttpRequest, path: str) -> HttpResponse:
    """One file of the workspace: read it, write it, remove it."""
    try:
        if request.method == "GET":
            return _read(sandbox_of(request), path)
        if request.method == "PUT":
            return _write(request, path)
        return _remove(sandbox_of(request), path)
    except FileMissing as error:
        return refusal(error.sentence, status=404)
    except FileRefused as error:
        return refusal(error.sentence, status=400)


def _read(sandbox: Sandbox, path: str) -> HttpResponse:
    found = provisioning.workspace(sandbox).read_file(path)
    return JsonResponse({"path": found.path, "text": found.text, "version": found.version})


@limited(limits.SAVE)
def _write(request: HttpRequest, path: str) -> HttpResponse:
    """Save a file; 409 with what is there now when it changed since `base_version`."""
    asked = _body(request)
    text, base_version = (asked or {}).get("text"), (asked or {}).get("base_version")
    if not isinstance(text, str) or not isinstance(base_version, str | None):
        return refusal("The request could not be read. Reload the page.", status=400)
    sandbox = sandbox_of(request)
    space = provisioning.workspace(sandbox)
    try:
        saved = space.write_file(path, text, base_version=base_version)
    except FileConflict as error:
        now = space.read_file(path) if error.version else None
        return refusal(error.sentence, status=409, version=error.version, text=now.text if now else "")
    services.touch(sandbox, "file")
    announce(sandbox.id, "files", path=saved.path, version=saved.version)
    return JsonResponse({"path": saved.path, "size": saved.size, "version": saved.version})


def _remove(sandbox: Sandbox, path: str) -> HttpResponse:
    provisioning.workspace(sandbox).delete_file(path)
    services.touch(sandbox, "file")
    announce(sandbox.id, "files", path=path, version="")
    return HttpResponse(status=204)


def _ask(request: HttpRequest, wish: Callable[[Sandbox], object]) -> HttpResponse:
    """Ask something of the sandbox that is there; asking one that is gone already is no mistake."""

    def ask() -> None:
        sandbox = selectors.live_sandbox(student_of(request))
        if sandbox is not None:
            wish(sandbox)

    return _do(request, ask)


def _do(request: HttpRequest, act: Callable[[], Look | None]) -> HttpResponse:
    """Do what was asked and show how it is then: the panel for htmx, the page it came from for a plain form.

    act: may look at what it has led to. A refusal is a sentence on the panel.
    """
    sentence, status, wait_s, seen = "", 200, 0, None
    try:
        limits.spend(limits.START, student_of(request).pk, address=address_of(request))
        seen = act()
    except TooOften as error:
        sentence, status, wait_s = error.sentence, 429, error.retry_after_s
    except (SandboxError, BackendError) as error:
        sentence = error.sentence
    if status == 200 and not request.headers.get("HX-Request"):
        return redirect(request.headers["Referer"] if _is_local(request) else "/")
    response = _panel(request, seen, sentence=sentence, status=status, acted=True)
    if status == 429:
        response["Retry-After"] = str(wait_s)
    return response


def _is_local(request: HttpRequest) -> bool:
    """True when the page that asked is one of ours, so that a form without htmx may go back to it."""
    origin = f"{request.scheme}://{request.get_host()}/"
    return request.headers.get("Referer", "").startswith(origin)


def _panel(
    request: HttpRequest,
    seen: Look | None = None,
    *,
    sentence: str = "",
    status: int = 200,
    acted: bool = False,
) -> HttpResponse:
    """The user's own, as it is now. acted: the answer to a press, so the focus goes where the button was."""
    context = panels.context(seen or look(student_of(request))) | {"refused": sentence, "acted": acted}
    response = render(request, "sandboxes/panel.html", context, status=status)
    # A fragment belongs to the page as it is now, never to one that comes back from the cache.
    response["Cache-Control"] = "no-store"
    return response


def _body(request: HttpRequest) -> dict[str, Any] | None:
    """The JSON object in the request, {} for an empty one, None for anything else."""
    if len(request.body) > BODY_BYTES:
        return None
    try:
        asked = json.loads(request.body or b"{}")
    except (ValueError, RecursionError):  # ten thousand brackets are no request of ours
        return None
    return asked if isinstance(asked, dict) else None


def _number(asked: object, default: int, most: int) -> int:
    """A whole number between 1 and `most`, or the default when none was given."""
    if not isinstance(asked, int) or isinstance(asked, bool):
        return default
    return min(max(asked, 1), most)
