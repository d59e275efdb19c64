"""HTTP's way to the class: parse, check that it is the viewer's, call one reader or service, render."""

from urllib.parse import quote

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts.models import Cohort, Enrolment, Role
from classroom import export, pushed, services
from classroom.access import cohort_of, cohorts_of, staff_only, student_of, teacher_of
from classroom.boards import board
from classroom.gradebook import gradebook
from classroom.pages import student_parts
from classroom.question import question_of
from classroom.student import student_page
from classroom.terms import term_of
from sandboxes.errors import SandboxError


@require_safe
@staff_only
def home(request: HttpRequest) -> HttpResponse:
    """The viewer's classes; an instructor with one goes straight to it."""
    viewer = teacher_of(request)
    learning = Q(enrolments__role=Role.STUDENT, enrolments__left_at=None)
    # Counted beside, not on, the join that finds the classes by the instructor's own place in them.
    found = Cohort.objects.filter(pk__in=cohorts_of(viewer).values("pk"))
    cohorts = found.annotate(students=Count("enrolments", filter=learning)).order_by("-starts_on", "name")
    if len(cohorts) == 1 and not viewer.is_admin:
        return redirect("classroom:room", cohorts[0].pk)
    today = timezone.localdate()
    shown = [(cohort, term_of(cohort, today)) for cohort in cohorts]
    return render(request, "classroom/home.html", {"cohorts": shown})


@require_safe
@staff_only
def room(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """The class, now."""
    cohort = cohort_of(request, cohort_id)
    now = timezone.now().timestamp()
    shown = board(cohort, question_of(request.GET), now=now)
    context = {"cohort": cohort, "board": shown, "now": now, "term": term_of(cohort, timezone.localdate())}
    is_part = request.headers.get("HX-Request") and not request.headers.get("HX-History-Restore-Request")
    return render(request, "classroom/board.html" if is_part else "classroom/room.html", context)


@require_safe
@staff_only
def rows(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """What has changed of the class since the browser's copy; 204 when nothing has."""
    shown = board(cohort_of(request, cohort_id), question_of(request.GET), now=timezone.now().timestamp())
    ids, parts = pushed.held(request.GET.get("ids", "")), pushed.held(request.GET.get("parts", ""))
    changed = pushed.differing(shown.rows, ids)
    changed += pushed.differing([*shown.parts.values(), shown.moved(list(ids))], parts)
    return pushed.answer(request, changed, cohort=shown.cohort)


@require_safe
@staff_only
def people(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """Who has a place in the class, and since when."""
    cohort = cohort_of(request, cohort_id)
    places = (
        Enrolment.objects.filter(cohort=cohort).select_related("user").order_by("role", "joined_at", "pk")
    )
    context = {"cohort": cohort, "places": places, "term": term_of(cohort, timezone.localdate())}
    return render(request, "classroom/people.html", context)


@require_safe
@staff_only
def grades(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """Points per lab and in all."""
    cohort = cohort_of(request, cohort_id)
    return render(request, "classroom/gradebook.html", {"cohort": cohort, "book": gradebook(cohort)})


@require_safe
@staff_only
def grades_csv(request: HttpRequest, cohort_id: int) -> HttpResponse:
    """The same for a spreadsheet, with a column per task."""
    cohort = cohort_of(request, cohort_id)
    name = export.file_name(cohort.name, timezone.localdate())
    return HttpResponse(
        export.as_csv(gradebook(cohort)),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
    )


@require_safe
@staff_only
def student(request: HttpRequest, cohort_id: int, student_id: int) -> HttpResponse:
    """One student of the class."""
    cohort = cohort_of(request, cohort_id)
    page = student_page(student_of(cohort, student_id), now=timezone.now())
    context = {"cohort": cohort, "page": page, "now": page.now, "parts": student_parts(page)}
    return render(request, "classroom/student.html", context)


@require_safe
@staff_only
def student_changes(request: HttpRequest, cohort_id: int, student_id: int) -> HttpResponse:
    """What has changed of that page since the browser's copy; 204 when nothing has."""
    cohort = cohort_of(request, cohort_id)
    page = student_page(student_of(cohort, student_id), now=timezone.now())
    parts, have = student_parts(page), pushed.held(request.GET.get("parts", ""))
    changed = [*pushed.differing(parts, have), *pushed.added(parts, have)]
    return pushed.answer(request, changed, cohort=cohort)


@require_POST
@staff_only
def keep_awake(request: HttpRequest, cohort_id: int, student_id: int) -> HttpResponse:
    """Give a student more time: their sandbox is held awake."""
    who = student_of(cohort_of(request, cohort_id), student_id)
    try:
        messages.success(request, services.keep_awake(who, by=teacher_of(request)))
    except SandboxError as refused:
        messages.error(request, refused.sentence)
    return redirect("classroom:student", cohort_id, student_id)
