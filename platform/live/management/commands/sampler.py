"""`manage.py sampler`: read the Kafka of every watched sandbox and publish what changes."""

import asyncio
import contextlib
import signal
from typing import Any
from uuid import UUID

import uvloop
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import close_old_connections

from live.feed import Feed, connect
from live.sampler import Sampler
from live.watch import Gone
from sandboxes import provisioning
from sandboxes.backends.base import BackendError, KafkaEndpoint
from sandboxes.errors import NoSuchSandbox, NotReady


async def resolve(hex_id: str) -> KafkaEndpoint:
    """Where a sandbox's Kafka is. Raises as `live.watch.Resolve` says."""
    return await asyncio.to_thread(_resolve, hex_id)


def _resolve(hex_id: str) -> KafkaEndpoint:
    close_old_connections()
    try:
        return provisioning.endpoint(UUID(hex_id))
    except ValueError as error:
        raise Gone("There is no such sandbox.") from error
    except NoSuchSandbox as error:
        raise Gone(error.sentence) from error
    except (NotReady, BackendError) as error:
        raise LookupError(error.sentence) from error
    finally:
        close_old_connections()


class Command(BaseCommand):
    help = "Read the Kafka of every watched sandbox and publish what changes, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        with contextlib.suppress(KeyboardInterrupt):
            uvloop.run(_run())


async def _run() -> None:
    task = asyncio.ensure_future(Sampler(Feed(connect(settings.REDIS_URL)), resolve).run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
