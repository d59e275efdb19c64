"""A class in the middle of its lesson: Grace teaches it, Ada and Edsger learn in it."""

from dataclasses import dataclass

import pytest
from django.test import Client

from accounts.models import Cohort, User
from tests import make
from tests.classroom import school


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    cohort: Cohort
    grace: User
    ada: User
    edsger: User

    def get(self, more: str = "", *, viewer: User | None = None) -> str:
        """A page of the class as text; for grace unless another viewer is given."""
        browser = Client()
        browser.force_login(viewer or self.grace)
        answer = browser.get(f"/class/{self.cohort.pk}/{more}")
        assert answer.status_code == 200, (more, answer.status_code)
        content = b"".join(answer) if answer.streaming else answer.content
        return str(content.decode())

    def status(self, more: str, viewer: User) -> int:
        browser = Client()
        browser.force_login(viewer)
        return browser.get(f"/class/{self.cohort.pk}/{more}").status_code


@pytest.fixture
def lesson(db: None) -> Lesson:
    school.open_course()
    cohort = make.cohort("Autumn")
    grace = make.instructor("grace", first_name="Grace", last_name="Hopper")
    make.enrolment(grace, cohort)
    return Lesson(
        cohort=cohort,
        grace=grace,
        ada=school.student(cohort, "ada", first_name="Ada", last_name="Lovelace"),
        edsger=school.student(cohort, "edsger", first_name="Edsger", last_name="Dijkstra"),
    )
