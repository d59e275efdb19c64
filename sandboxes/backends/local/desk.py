"""Answers what the host's callers ask: one method for each request, named for it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from sandboxes.backends.base import FILE_BYTES, BackendError, Fault, Tier, WorkspaceError
from sandboxes.backends.local import files, kafka, memory, records, tier, troubles, wire
from sandboxes.backends.local.disks import Disks
from sandboxes.backends.local.keeper_link import KeeperGone, KeeperRefused
from sandboxes.backends.local.meter import Meter
from sandboxes.backends.local.population import Population
from sandboxes.backends.local.sandbox import LocalSandbox
from sandboxes.backends.local.surroundings import Surroundings
from sandboxes.backends.local.wire import Json

logger = logging.getLogger(__name__)

_ID_CHARS = 32
Handler = Callable[[Json], Awaitable[Any]]


class Desk:
    """found: how well programs are held here, once the host knows."""

    def __init__(self, around: Surroundings, population: Population, disks: Disks) -> None:
        self._folder = around.settings.sandbox_dir
        self._population, self._disks = population, disks
        self._meter = Meter()
        self.found = tier.Found(Tier.OFF, "not found out yet")

    async def answer(self, request: Json) -> Json:
        """What was asked for, or why it is refused, as it crosses the wire. Raises nothing of its own."""
        handler: Handler | None = getattr(self, f"do_{request.pop('op')}", None)
        if handler is None:
            return wire.failure(BackendError("The sandbox host does not know this request."))
        try:
            return {"value": await handler(request)}
        except BackendError as error:
            return wire.failure(error)
        except (KeeperGone, KeeperRefused) as error:
            logger.warning("host.keeper_silent", extra={"said": str(error)})
            return wire.failure(BackendError(troubles.LOST.detail, retryable=True))
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("host.request_odd", extra={"said": repr(error)})
            return wire.failure(BackendError("The sandbox host does not understand this request."))
        except OSError as error:
            trouble = troubles.of_disk(self._folder) or troubles.of_error(error)
            logger.warning("host.request_failed", extra={"said": str(error), "cause": trouble.cause})
            return wire.failure(BackendError(trouble.detail, retryable=True))

    async def do_tier(self, request: Json) -> str:
        return self.found.tier.value

    async def do_inventory(self, request: Json) -> list[str]:
        return self._population.names()

    async def do_ensure(self, request: Json) -> Json:
        sandbox_id, profile = _checked_id(request), request["profile"]
        if self.found.tier is not Tier.STRONG:
            raise BackendError(
                "Sandboxes cannot be walled off on this machine, so none is started. Ask the operator to "
                "allow user namespaces (deploy/README.md says how). "
                f"The system said: {self.found.said[:120]}."
            )
        if profile not in kafka.PROFILES:
            raise BackendError(f"This machine has no profile “{profile}”.")
        one = self._population.get(sandbox_id) or self._population.create(
            sandbox_id, profile, request["generation"]
        )
        one.want("running", generation=request["generation"])
        return wire.to_json(one.observe())

    async def do_observe(self, request: Json) -> Json:
        return self._seen(_checked_id(request))

    async def do_look(self, request: Json) -> list[Json]:
        return [self._seen(name) for name in await self.do_inventory(request)]

    async def do_usage(self, request: Json) -> dict[str, Json]:
        up = [one for one in self._population.everyone() if one.record.keeper_pid]
        used = await self._meter.read(one.record.keeper_pid for one in up)
        found = {}
        for one in up:
            if seen := used.get(one.record.keeper_pid):
                disk_bytes = await self._disks.bytes_of(one)
                found[one.record.sandbox_id] = wire.to_json(replace(seen, disk_bytes=disk_bytes))
        return found

    async def do_room(self, request: Json) -> int:
        return memory.room()

    async def do_destroy(self, request: Json) -> Json:
        sandbox_id = _checked_id(request)
        if one := self._population.get(sandbox_id):
            one.want("gone")
        else:
            await self._population.remove_stray(sandbox_id)
        return self._seen(sandbox_id)

    async def do_freeze(self, request: Json) -> Json:
        if one := self._population.get(_checked_id(request)):
            await one.freeze()
        return self._seen(request["sandbox_id"])

    async def do_thaw(self, request: Json) -> Json:
        if one := self._population.get(_checked_id(request)):
            await one.thaw()
        return self._seen(request["sandbox_id"])

    async def do_suspend(self, request: Json) -> Json:
        if one := self._population.get(_checked_id(request)):
            one.want("stopped")
        return self._seen(request["sandbox_id"])

    async def do_resume(self, request: Json) -> Json:
        if one := self._population.get(_checked_id(request)):
            one.want("running")
        return self._seen(request["sandbox_id"])

    async def do_inject(self, request: Json) -> None:
        await self._one(request).inject(Fault(**request["fault"]))

    async def do_undo(self, request: Json) -> None:
        if one := self._population.get(_checked_id(request)):
            await one.undo(Fault(**request["fault"]))

    async def do_list_files(self, request: Json) -> list[Json]:
        listed = await asyncio.to_thread(files.list_files, self._one(request).home.work)
        return [wire.to_json(info) for info in listed]

    async def do_read_file(self, request: Json) -> Json:
        work = self._one(request).home.work
        most = min(int(request["max_bytes"]), FILE_BYTES)
        return wire.to_json(await asyncio.to_thread(files.read_file, work, request["path"], most))

    async def do_write_file(self, request: Json) -> Json:
        one = self._one(request)
        written = await asyncio.to_thread(
            files.write_file,
            one.home.work,
            request["path"],
            request["text"],
            base_version=request["base_version"],
            owner=records.uid_of(one.record.number),
        )
        return wire.to_json(written)

    async def do_delete_file(self, request: Json) -> None:
        await asyncio.to_thread(files.delete_file, self._one(request).home.work, request["path"])

    async def do_start_program(self, request: Json) -> Json:
        programs = self._one(request).programs
        run = await programs.start(path=request["path"], args=tuple(request["args"]), label=request["label"])
        return wire.to_json(run)

    async def do_stop_program(self, request: Json) -> None:
        self._one(request).programs.stop(request["program_id"])

    async def do_kill_program(self, request: Json) -> None:
        await self._one(request).programs.kill(request["program_id"])

    async def do_programs(self, request: Json) -> list[Json]:
        return [wire.to_json(run) for run in self._one(request).programs.history.runs()]

    async def follow(self, request: Json, writer: asyncio.StreamWriter) -> None:
        """Send events; the client comes back with the last number it has when we end first."""
        try:
            ring = self._one(request).programs.ring
            async with contextlib.aclosing(ring.follow(int(request["after"]))) as events:
                async for event in events:
                    writer.write(wire.line(wire.to_json(event)))
                    await writer.drain()
        except BackendError as error:
            writer.write(wire.line(wire.failure(error)))

    def _one(self, request: Json) -> LocalSandbox:
        one = self._population.get(_checked_id(request))
        if one is None:
            raise WorkspaceError("This sandbox does not exist any more. Press Start to get a new one.")
        return one

    def _seen(self, sandbox_id: str) -> Json:
        return wire.to_json(self._population.observe(sandbox_id))


def _checked_id(request: Json) -> str:
    """The id, which becomes a folder's name: hex digits and nothing else."""
    sandbox_id = request["sandbox_id"]
    if (
        not isinstance(sandbox_id, str)
        or len(sandbox_id) != _ID_CHARS
        or set(sandbox_id) - set("0123456789abcdef")
    ):
        raise BackendError("This is not the id of a sandbox.")
    return sandbox_id
