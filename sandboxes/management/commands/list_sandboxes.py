from typing import Any

from django.core.management.base import BaseCommand

from sandboxes.lifecycle import State
from sandboxes.models import Sandbox


class Command(BaseCommand):
    help = "Print every sandbox that is not gone: state, owner, since when, and what is wrong with it."

    def handle(self, *args: Any, **options: Any) -> None:
        sandboxes = Sandbox.objects.exclude(state=State.DELETED).select_related("owner", "cluster")
        for sandbox in sandboxes.order_by("created_at"):
            state = f"{sandbox.state}/{sandbox.stage}" if sandbox.stage else sandbox.state
            wrong = sandbox.failure_sentence or sandbox.detail
            self.stdout.write(
                f"{sandbox.id}  {state:<24} {sandbox.owner or '-'!s:<16} {sandbox.cluster or '-'!s:<8} "
                f"since {sandbox.state_since:%Y-%m-%d %H:%M:%S}  {wrong}".rstrip()
            )
