from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import services
from accounts.models import Role


class Command(BaseCommand):
    help = "Make an account with a generated password, which is printed once."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("username")
        parser.add_argument("--role", choices=Role.values, default=Role.STUDENT.value)
        parser.add_argument("--email", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made = services.add_user(options["username"], role=Role(options["role"]), email=options["email"])
        except services.CannotAdd as refusal:
            raise CommandError(str(refusal)) from None
        self.stdout.write(f"New {made.role}: {made.username}, password {made.password}")
        self.stdout.write("This password is shown once and kept nowhere. Write it down now.")
