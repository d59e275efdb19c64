"""Classes for tests: the real course, and students made up from a seed who stand where students do stand."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django.utils import timezone

from accounts.models import Cohort, Enrolment, Role, User
from lessons import services
from lessons.catalog import Course
from lessons.models import Answer, Attempt, HintOpened, LabVersion, TaskProgress, VerdictRow
from lessons.publishing import publish
from lessons.selectors import current_course, forget_course
from sandboxes.models import Cluster, Sandbox, SandboxEvent

FIRST = ("Aiko", "Hana", "Mei", "Zofia", "Elias", "Marek", "Amara", "Jonas", "Tomás", "Ines", "Kofi", "Lena")
LAST = ("Moreau", "Fischer", "Lindqvist", "Wójcik", "Chen", "Eze", "Okafor", "Nair", "Berg", "Aziz", "Silva")
SEED = 20_261_123


@cache
def _course() -> Course:
    return services.read()


def open_course() -> None:
    """Serve the course that students get."""
    publish(_course())
    forget_course()


def labs() -> list[LabVersion]:
    """The labs of the course, in its order."""
    course = current_course()
    assert course is not None
    pages = sorted(course.pages.values(), key=lambda page: page.number)
    return [lab.version for page in pages for lab in course.labs[page.slug]]


def tasks(lab: LabVersion) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lab.spec["tasks"]
    return found


def begin(user: User, lab: LabVersion, box: Sandbox | None, *, at: datetime | None = None) -> Attempt:
    """An attempt with its rows, as `start_attempt` leaves it."""
    at = at or timezone.now()
    attempt = Attempt.objects.create(
        user=user, lab=lab, lab_id_text=lab.lab_id, lesson_id=lab.lesson_id, sandbox=box, nonce="n0nce",
        seed=1, activated_at=at,
    )  # fmt: skip
    TaskProgress.objects.bulk_create(
        TaskProgress(
            user=user, lab_id=lab.lab_id, task_id=task["id"], lesson_id=lab.lesson_id, attempt=attempt,
            activated_at=None if task["requires"] else at,
        )
        for task in tasks(lab)
    )  # fmt: skip
    return attempt


def passes(attempt: Attempt, task_id: str, *, at: datetime | None = None) -> None:
    """The task is passed, as a round of grading writes it down."""
    at = at or timezone.now()
    _judge(attempt, task_id, at, state="pass", sentence="It is there.")
    points = next(task["points"] for task in tasks(attempt.lab) if task["id"] == task_id)
    TaskProgress.objects.filter(attempt=attempt, task_id=task_id).update(
        passed_at=at, passed_digest=attempt.lab.digest, points=points
    )


def fails(
    attempt: Attempt, task_id: str, cause: str, *, times: int = 1, at: datetime | None = None, **said: Any
) -> None:
    """The task fails for this cause, so many times."""
    at = at or timezone.now()
    said = {"sentence": "Three records have no key.", "evidence": [], **said}
    for _ in range(times):
        _judge(attempt, task_id, at, state="fail", cause=cause, **said)
    TaskProgress.objects.filter(attempt=attempt, task_id=task_id).update(
        last_cause=cause, failures={cause: [times, at.timestamp()]}
    )


def is_judged(attempt: Attempt, task_id: str, state: str, *, at: datetime | None = None, **said: Any) -> None:
    """The task is judged otherwise: "waiting", "not_ready", "timed_out" or "broken"."""
    _judge(attempt, task_id, at or timezone.now(), state=state, **said)


def _judge(attempt: Attempt, task_id: str, at: datetime, **verdict: Any) -> None:
    rows = TaskProgress.objects.filter(attempt=attempt, task_id=task_id)
    rows.filter(activated_at=None).update(activated_at=at)
    rows.update(state=verdict["state"], verdict=verdict, judged_at=at)
    if verdict["state"] in {"pass", "fail", "timed_out", "broken"}:
        number = VerdictRow.objects.filter(attempt=attempt, task_id=task_id).count() + 1
        VerdictRow.objects.create(attempt=attempt, task_id=task_id, number=number, judged_at=at, **verdict)


def sandbox(user: User, state: str = "ready", *, used_at: datetime | None = None, **fields: Any) -> Sandbox:
    """A row that nobody started, with the events of a start."""
    at = used_at or timezone.now()
    cluster, _ = Cluster.objects.get_or_create(name="here", defaults={"backend": "memory"})
    box = Sandbox.objects.create(
        owner=user, cluster=cluster, state=state, begun_at=at, handed_over_at=at, last_activity_at=at,
        last_activity_source="program", expires_at=at + timedelta(minutes=30), **fields,
    )  # fmt: skip
    for old, new in (
        ("", "queued"),
        ("queued", "provisioning"),
        ("provisioning", "binding"),
        ("binding", state),
    ):
        SandboxEvent.objects.create(
            sandbox=box,
            at=at,
            kind="move",
            old=old,
            new=new,
            generation=1,
            actor="student" if not old else "worker",
        )
    return box


def student(cohort: Cohort, username: str, **fields: Any) -> User:
    """Somebody who learns in the class."""
    user = User.objects.create(username=username, role=Role.STUDENT, **fields)
    Enrolment.objects.create(user=user, cohort=cohort, role=Role.STUDENT)
    return user


# -- many of them ------------------------------------------------------------------------------------------


def fill(cohort: Cohort, count: int, *, seed: int = SEED) -> list[User]:
    """So many students in a lesson's hour: most at work, some stuck or away, one met a fault of ours."""
    chance = random.Random(seed)
    now = timezone.now()
    users = [
        student(cohort, f"s{n}", first_name=first, last_name=last)
        for n, (first, last) in enumerate(_names(count))
    ]
    for number, user in enumerate(users):
        _live(user, chance, now, away=chance.random() < 0.12, ours=number == 7)
    return users


def _names(count: int) -> Iterator[tuple[str, str]]:
    for number in range(count):
        yield FIRST[number % len(FIRST)], LAST[(number // len(FIRST) + number) % len(LAST)]


def _live(user: User, chance: random.Random, now: datetime, *, away: bool, ours: bool) -> None:
    """One made-up student's hour."""
    at = now - timedelta(minutes=chance.uniform(30, 300) if away else chance.uniform(0, 9))
    state = "suspended" if away else "degraded" if ours else "ready"
    box = sandbox(user, state, used_at=at, frozen=state == "ready" and chance.random() < 0.1)
    done = min(15, max(0, int(chance.gauss(9, 3))))
    for lab in labs():
        if done <= 0 and lab is not labs()[0]:
            return
        attempt = begin(user, lab, box, at=now - timedelta(minutes=40))
        for task in tasks(lab)[:done]:
            passes(attempt, task["id"], at=at - timedelta(minutes=chance.uniform(0, 30)))
        if done < len(tasks(lab)):
            _struggle(attempt, tasks(lab)[max(0, done)]["id"], chance, at, ours=ours)
            return
        Attempt.objects.filter(pk=attempt.pk).update(ended_at=at)
        done -= len(tasks(lab))


def _struggle(attempt: Attempt, task_id: str, chance: random.Random, at: datetime, *, ours: bool) -> None:
    causes = list(attempt.lab.spec["hints"])
    if ours:
        is_judged(
            attempt, task_id, "broken", at=at, cause="B-1a2b3c4d", sentence="This check failed on our side."
        )
    elif chance.random() < 0.45:
        cause = causes[min(int(chance.expovariate(1)), len(causes) - 1)]
        fails(attempt, task_id, cause, times=1 + int(chance.expovariate(0.45)), at=at, evidence=EVIDENCE)
        HintOpened.objects.create(
            user=attempt.user, lab_id=attempt.lab_id_text, task_id=task_id, cause=cause, step=1, at=at
        )
    else:
        is_judged(attempt, task_id, "waiting", at=at, sentence="Watching your sandbox.")
    Answer.objects.create(
        user=attempt.user, lesson_id=attempt.lesson_id, kind="quiz", item_id="reading", answer="nothing",
        first="marked", right=True, tries=2, at=at,
    )  # fmt: skip


EVIDENCE = [
    {
        "topic": "task.created",
        "partition": 2,
        "offset": 2411 + n,
        "at": 1_795_443_492.118 + n,
        "key": f"T-{n}",
        "note": "no key",
    }
    for n in range(3)
]


def worst_off(cohort: Cohort) -> User:
    """The made-up student who failed most often."""
    rows = VerdictRow.objects.filter(state="fail", attempt__user__enrolments__cohort=cohort)
    return rows.order_by("-number").select_related("attempt__user")[0].attempt.user
