"""The people of every test: Ada and her instructor Grace, Edsger and his instructor Barbara, and Root."""

from dataclasses import dataclass

from accounts.models import Cohort, User
from tests import make


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Two cohorts that must never see each other, and the admin who sees both."""

    ada: User
    grace: User
    edsger: User
    barbara: User
    root: User
    spring: Cohort
    autumn: Cohort


def assemble() -> Cast:
    """Ada learns from Grace in spring; Edsger learns from Barbara in autumn; Root is admin."""
    spring, autumn = make.cohort("Spring"), make.cohort("Autumn")
    cast = Cast(
        ada=make.student("ada", first_name="Ada", last_name="Lovelace"),
        grace=make.instructor("grace", first_name="Grace", last_name="Hopper"),
        edsger=make.student("edsger", first_name="Edsger", last_name="Dijkstra"),
        barbara=make.instructor("barbara", first_name="Barbara", last_name="Liskov"),
        root=make.admin("root"),
        spring=spring,
        autumn=autumn,
    )
    make.enrolment(cast.ada, spring)
    make.enrolment(cast.grace, spring)
    make.enrolment(cast.edsger, autumn)
    make.enrolment(cast.barbara, autumn)
    return cast
