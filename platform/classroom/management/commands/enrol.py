from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts.models import Role
from classroom import places


class Command(BaseCommand):
    help = "Give somebody a place in a class, or take it; --begins makes the class where there is none."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")
        parser.add_argument("cohort", help="the name of the class")
        parser.add_argument("--as", dest="role", choices=[Role.STUDENT.value, Role.INSTRUCTOR.value])
        parser.add_argument("--begins", type=date.fromisoformat, help="first day of a new class, YYYY-MM-DD")
        parser.add_argument("--ends", type=date.fromisoformat, help="its last day; none by default")
        parser.add_argument("--leave", action="store_true", help="take the place; what was done there stays")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self.stdout.write(_do(**options))
        except places.NoPlace as refusal:
            raise CommandError(str(refusal)) from None


def _do(*, username: str, cohort: str, leave: bool, **asked: Any) -> str:
    if leave:
        place = places.take_place(username, cohort)
        return f"{place.user.username} has left {place.cohort.name}."
    role = Role(asked["role"]) if asked["role"] else None
    place = places.give_place(username, cohort, role=role, begins=asked["begins"], ends=asked["ends"])
    return f"{place.user.username} is {Role(place.role).label} in {place.cohort.name}."
