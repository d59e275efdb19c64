"""The grader process: turns what happens in sandboxes into grading doorbells, debounced.

    Redis changed:<sandbox> (sampler, saved file) ─┐
    program started or ended (the host)            ├─> quiet for 250 ms, or 1 s after the first ─> tasks.grade
    every 5 s, for what was missed                ─┘

It holds no truth: killed at any moment, the next one finds all open attempts in the database.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from uuid import UUID

import redis.asyncio
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import DatabaseError, close_old_connections

from lessons.models import Attempt
from lessons.tasks import ring
from sandboxes import provisioning
from sandboxes.announce import keep_watched
from sandboxes.backends.base import BackendError
from sandboxes.errors import SandboxError
from sandboxes.lifecycle import State
from sandboxes.models import Sandbox

logger = logging.getLogger(__name__)

QUIET_S = 0.25
LONGEST_S = 1.0
REFRESH_S = 2.0
SAFETY_S = 5.0
WATCH_S = 20.0
RETRY_S = 1.0
_UP = (State.READY.value, State.DEGRADED.value)


@dataclass(slots=True)
class Debounce:
    """When to ring for each sandbox: QUIET_S after the last news, at most LONGEST_S after the first. Pure."""

    first: dict[UUID, float] = field(default_factory=dict)
    last: dict[UUID, float] = field(default_factory=dict)

    def news(self, sandbox: UUID, now: float) -> None:
        self.first.setdefault(sandbox, now)
        self.last[sandbox] = now

    def due(self, now: float) -> list[UUID]:
        """The sandboxes to ring for now; each is forgotten until there is news again."""
        ready = [
            one for one, at in self.last.items() if now >= min(at + QUIET_S, self.first[one] + LONGEST_S)
        ]
        for one in ready:
            del self.last[one], self.first[one]
        return ready

    def next_at(self) -> float | None:
        """When something is due; None when nothing is."""
        return min(
            (min(at + QUIET_S, self.first[one] + LONGEST_S) for one, at in self.last.items()), default=None
        )


def open_attempts() -> dict[UUID, list[UUID]]:
    """Open attempts of sandboxes that are up, by sandbox."""
    close_old_connections()
    rows = Attempt.objects.filter(ended_at=None, sandbox__state__in=_UP, sandbox__frozen=False)
    found: dict[UUID, list[UUID]] = {}
    for attempt, sandbox in rows.values_list("pk", "sandbox_id"):
        if sandbox is not None:
            found.setdefault(sandbox, []).append(attempt)
    return found


def ring_all(attempts: Iterable[UUID]) -> None:
    """Ask the workers to judge each of them."""
    for attempt in attempts:
        ring(str(attempt))


class Grader:
    """The loop. `ringer` is what a doorbell is; tests give their own."""

    def __init__(self, *, redis_url: str = "", ringer: Callable[[Iterable[UUID]], None] = ring_all) -> None:
        self._redis_url = redis_url or settings.REDIS_URL
        self._ringer = ringer
        self._debounce = Debounce()
        self._attempts: dict[UUID, list[UUID]] = {}
        self._followers: dict[UUID, asyncio.Task[None]] = {}
        self._news = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled."""
        jobs = (self._refresh(), self._listen(), self._ring_when_due(), self._safety(), self._watch())
        tasks = [asyncio.create_task(job) for job in jobs]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in [*tasks, *self._followers.values()]:
                task.cancel()
            await asyncio.gather(*tasks, *self._followers.values(), return_exceptions=True)

    def _heard(self, sandbox: UUID) -> None:
        if sandbox in self._attempts:
            self._debounce.news(sandbox, time.monotonic())
            self._news.set()

    async def _refresh(self) -> None:
        while True:
            with suppress_and_log("grader.refresh"):
                before = set(self._attempts)
                self._attempts = await sync_to_async(open_attempts)()
                for sandbox in set(self._attempts) - before:
                    self._heard(sandbox)
                self._follow_programs()
            await asyncio.sleep(REFRESH_S)

    def _follow_programs(self) -> None:
        for sandbox in set(self._attempts) - set(self._followers):
            self._followers[sandbox] = asyncio.create_task(self._follow(sandbox))
        for sandbox in set(self._followers) - set(self._attempts):
            self._followers.pop(sandbox).cancel()

    async def _follow(self, sandbox_id: UUID) -> None:
        """News whenever one of the sandbox's programs starts or ends."""
        after = 0
        while True:
            with suppress(SandboxError, BackendError, OSError, DatabaseError, Sandbox.DoesNotExist):
                sandbox = await Sandbox.objects.select_related("cluster").aget(pk=sandbox_id)
                workspace = await sync_to_async(provisioning.workspace)(sandbox)
                async for event in workspace.follow(after=after):
                    after = event.seq
                    if event.kind != "output":
                        self._heard(sandbox_id)
            await asyncio.sleep(RETRY_S)

    async def _listen(self) -> None:
        """News of clusters, from the sampler, and of files, from whoever saved one."""
        while True:
            with suppress_and_log("grader.redis"):
                async with (
                    redis.asyncio.Redis.from_url(self._redis_url) as client,
                    client.pubsub() as channel,
                ):
                    await channel.psubscribe("changed:*")
                    async for message in channel.listen():
                        self._take(message)
            await asyncio.sleep(RETRY_S)

    def _take(self, message: dict[str, object]) -> None:
        if message["type"] != "pmessage":
            return
        name = message["channel"]
        text = name.decode() if isinstance(name, bytes) else str(name)
        with suppress(ValueError):
            self._heard(UUID(hex=text.removeprefix("changed:")))

    async def _ring_when_due(self) -> None:
        while True:
            at = self._debounce.next_at()
            wait = None if at is None else max(0.0, at - time.monotonic())
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), wait)
            self._news.clear()
            for sandbox in self._debounce.due(time.monotonic()):
                await self._ring(self._attempts.get(sandbox, []))

    async def _safety(self) -> None:
        while True:
            await asyncio.sleep(SAFETY_S)
            for attempts in list(self._attempts.values()):
                await self._ring(attempts)

    async def _ring(self, attempts: Iterable[UUID]) -> None:
        await sync_to_async(self._ringer)(list(attempts))

    async def _watch(self) -> None:
        """Count each attempt as somebody who looks, so that the sampler goes on reading."""
        while True:
            for sandbox in list(self._attempts):
                await sync_to_async(keep_watched)(sandbox)
            await asyncio.sleep(WATCH_S if self._attempts else REFRESH_S)


class suppress_and_log:  # noqa: N801 - used like contextlib.suppress
    """Lets a loop of the process go on after any error, with x."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        logger.warning(self._name, extra={"why": str(error)})
        return True
