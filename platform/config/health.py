"""Two questions of machines: is this process alive, and can the site do all of its work?"""

from dataclasses import asdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from config import readiness


@require_safe
@never_cache
def health(request: HttpRequest) -> HttpResponse:
    """200 when this web process answers. It asks nobody: a restart of the web mends nothing but the web."""
    return HttpResponse("ok\n", content_type="text/plain")


@require_safe
@never_cache
def ready(request: HttpRequest) -> HttpResponse:
    """200 when every part is ready, else 503; a line per part, or JSON for whoever accepts that."""
    parts = readiness.parts()
    status = 200 if all(part.ready for part in parts) else 503
    if request.accepts("text/plain"):
        lines = [f"{'ok   ' if part.ready else 'WAIT '} {part.name}: {part.sentence}\n" for part in parts]
        return HttpResponse("".join(lines), content_type="text/plain; charset=utf-8", status=status)
    return JsonResponse({"ready": status == 200, "parts": [asdict(part) for part in parts]}, status=status)
