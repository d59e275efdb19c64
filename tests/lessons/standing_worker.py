"""Runs in an installation of its own: a student's rows, read at once and read by the ORM, as JSON."""

import json
import sys
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "platform")]

import django  # noqa: E402

django.setup()

from django.db import connection  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.utils import timezone  # noqa: E402

from accounts.backend import Backend  # noqa: E402
from accounts.models import User  # noqa: E402
from accounts.session_store import SessionStore  # noqa: E402
from lessons.models import Answer, Attempt, TaskProgress  # noqa: E402
from lessons.standing import answer_row, progress_rows, sandbox_row, standing_of  # noqa: E402
from sandboxes.models import Sandbox  # noqa: E402
from tests import make, small_course  # noqa: E402
from tests.lessons import rows  # noqa: E402

FIELDS = (
    "lab_id", "task_id", "state", "verdict", "judged_at", "took_ms", "activated_at", "passed_at", "points",
    "failures", "hints", "last_cause",
)  # fmt: skip
OF_ATTEMPT = ("id", "ended_at", "lab_id", "sandbox_id")
OF_ANSWER = ("kind", "item_id", "answer", "right", "measured")


def student() -> tuple[User, Sandbox]:
    """Ada, with an attempt of two tasks, one of them passed, and with answers; Edsger has rows as well."""
    ada, edsger = make.student("ada"), make.student("edsger")
    box = rows.sandbox(ada)
    for user, sandbox in ((ada, box), (edsger, rows.sandbox(edsger))):
        rows.attempt(user, rows.two_task_lab(), sandbox)
    verdict = {"state": "pass", "sentence": "“Ünïcode” and 'quotes'", "evidence": [{"offset": 3}]}
    first = TaskProgress.objects.filter(user=ada).order_by("task_id")[0]
    TaskProgress.objects.filter(pk=first.pk).update(
        state="pass", verdict=verdict, judged_at=timezone.now(), passed_at=timezone.now(), took_ms=120,
        points=2, failures={"SLOW": [2, 1.5]}, hints={"SLOW": 1}, last_cause="SLOW",
    )  # fmt: skip
    for kind, item, right, measured in (("quiz", "where", True, 12.0), ("predict", "guess", None, None)):
        Answer.objects.create(
            user=ada, lesson_id="first", kind=kind, item_id=item, answer="a", first="b",
            right=right, measured=measured,
        )  # fmt: skip
    return ada, box


def values(model: Any, names: tuple[str, ...]) -> dict[str, str]:
    return {name: repr(getattr(model, name)) for name in names}


def by_orm(ada: User, box: Sandbox) -> dict[str, Any]:
    progress = TaskProgress.objects.filter(user=ada).order_by("task_id")
    attempt = Attempt.objects.get(user=ada)
    return {
        "tasks": [values(row, FIELDS) for row in progress],
        "attempt": values(attempt, OF_ATTEMPT),
        "answers": [values(row, OF_ANSWER) for row in Answer.objects.filter(user=ada).order_by("kind")],
        "sandbox": values(box, ("id", "state")),
        "passed": [[row.lab_id, row.task_id] for row in progress if row.passed_at],
    }


def at_once(ada: User) -> dict[str, Any]:
    standing = standing_of(ada.pk, "first")
    (lab,) = standing.labs.values()
    tasks = sorted(progress_rows(lab), key=lambda row: row.task_id)
    answers = [answer_row(row) for _, row in sorted(standing.answers.items())]
    return {
        "tasks": [values(row, FIELDS) for row in tasks],
        "attempt": values(tasks[0].attempt, OF_ATTEMPT),
        "answers": [values(row, OF_ANSWER) for row in answers],
        "sandbox": values(sandbox_row(standing.sandbox), ("id", "state")),
        "passed": [list(pair) for pair in standing.passed],
    }


def session(ada: User) -> dict[str, Any]:
    """A session and its user through the queries that are made once, and what ends them."""
    kept = SessionStore()
    kept["who"] = ada.pk
    kept.save()
    found = SessionStore(kept.session_key).load()
    same = Backend().get_user(ada.pk)
    old = SessionStore()
    old.set_expiry(-1)
    old.save()
    User.objects.filter(pk=ada.pk).update(is_active=False)
    return {
        "found": found,
        "is_ada": same == ada and values(same, ("password", "date_joined", "role", "email"))
        == values(User.objects.get(pk=ada.pk), ("password", "date_joined", "role", "email")),
        "expired": SessionStore(old.session_key).load(),
        "closed": Backend().get_user(ada.pk),
    }  # fmt: skip


def main() -> None:
    small_course.serve()
    ada, box = student()
    standing_of(ada.pk, "first")
    with CaptureQueriesContext(connection) as asked:
        read = at_once(ada)
    told = {"once": read, "orm": by_orm(ada, box), "queries": len(asked), "ada": ada.pk}
    print(json.dumps(told | {"session": session(ada), "database": connection.vendor}))


if __name__ == "__main__":
    main()
