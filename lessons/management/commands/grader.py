import asyncio
import signal
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand

from lessons.grader import Grader


class Command(BaseCommand):
    help = "Watch open attempts and have them judged whenever their sandbox changes."

    def handle(self, *args: Any, **options: Any) -> None:
        with suppress(asyncio.CancelledError):
            asyncio.run(_run_until_told())


async def _run_until_told() -> None:
    task = asyncio.create_task(Grader().run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    await task
