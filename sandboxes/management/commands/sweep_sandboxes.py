from typing import Any

from django.core.management.base import BaseCommand

from sandboxes import sweep
from sandboxes.tasks import doorbell


class Command(BaseCommand):
    help = "Do now what beat does every ten seconds: remove orphans, end overdue faults, ring where needed."

    def handle(self, *args: Any, **options: Any) -> None:
        rung = sweep.sweep()
        for sandbox_id in rung:
            doorbell(sandbox_id)
        self.stdout.write(f"{len(rung)} sandboxes rung for.")
