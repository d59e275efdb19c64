from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from accounts import services


class Command(BaseCommand):
    help = (
        "Make the first admin (password printed once) and, where DEMO is on, the demo accounts; repeatable."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.DEMO:
            self._print_demo(services.open_demo_class())
        elif shut := services.shut_demo_class():
            self.stdout.write(f"Shut {shut} demo accounts, because DEMO is off.")
        if admin := services.ensure_first_admin():
            self.stdout.write(f"First admin: {admin.username}, password {admin.password}")
            self.stdout.write("This password is shown once and kept nowhere. Write it down now.")

    def _print_demo(self, sign_ins: tuple[services.SignIn, ...]) -> None:
        for sign_in in sign_ins:
            self.stdout.write(f"Demo {sign_in.role}: {sign_in.username}, password {sign_in.password}")
