"""When a class is: what an instructor reads before its first day, while it lasts and after its last."""

from dataclasses import dataclass
from datetime import date

from accounts.models import Cohort
from accounts.selectors import GRACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """word: a few words for a list; note: what follows from it, or ""."""

    word: str
    note: str = ""


def term_of(cohort: Cohort, today: date) -> Term:
    """Where a class is in its time; a class without an end lasts."""
    if cohort.starts_on > today:
        days = (cohort.starts_on - today).days
        return Term(
            word=f"begins {_day(cohort.starts_on)}",
            note=f"Its first day is {_day(cohort.starts_on)}, in {days} day{'' if days == 1 else 's'}. "
            "Students can sign in and try their sandbox before; what they do shows here at once.",
        )
    if cohort.ends_on is not None and cohort.ends_on < today:
        return Term(
            word=f"ended {_day(cohort.ends_on)}",
            note=f"Its last day was {_day(cohort.ends_on)}. Take the grades with you: "
            f"instructors see it until {_day(cohort.ends_on + GRACE)}.",
        )
    until = f" to {_day(cohort.ends_on)}" if cohort.ends_on else ", no end set"
    return Term(word=f"since {_day(cohort.starts_on)}{until}")


def _day(day: date) -> str:
    return f"{day.day} {day:%B %Y}"
