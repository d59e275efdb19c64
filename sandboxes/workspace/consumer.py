"""The workspace's websocket: programs started, stopped and followed by the owner of one sandbox.

The handshake's origin is checked before this is reached; session and ownership are checked here, at the
connect, before each request and every few seconds. What is sent waits in a bounded queue, and while that is
full its source waits: a browser that takes nothing for a while is closed with a code that means "come back
and say where you were".
"""

import asyncio
import json
import logging
from contextlib import suppress
from dataclasses import asdict
from typing import Any
from uuid import UUID

from channels.db import database_sync_to_async
from channels.generic.websocket import AsyncWebsocketConsumer
from django.contrib.auth import get_user
from django.db import DatabaseError

from accounts.models import User
from accounts.sockets import (
    BAD_FRAME,
    FORBIDDEN,
    INBOUND_BYTES,
    NO_SUCH,
    SIGNED_OUT,
    SLOW,
    TOO_MANY,
    Pace,
    Seats,
)
from sandboxes import limits, provisioning, selectors, services
from sandboxes.backends.base import BackendError, ProgramEvent, ProgramRun, Workspace
from sandboxes.errors import SandboxError
from sandboxes.models import Sandbox
from sandboxes.workspace.ansi import ColourOnly

logger = logging.getLogger(__name__)

OUTBOUND_FRAMES = 512
RECHECK_S = 4.0  # and the look itself, within the five that were promised
RETRY_S = 1.0
# How long a browser may take nothing of what waits for it.
SLOW_S = 10.0

_seats = Seats()


class WorkspaceConsumer(AsyncWebsocketConsumer):
    """One browser tab that looks at the programs of one sandbox."""

    # No such layer: nothing here comes over Redis, so programs go on being shown while it is down.
    channel_layer_alias = "none"

    sandbox_id: UUID
    _tasks: list["asyncio.Task[None]"]
    _follower: "asyncio.Task[None] | None"
    _outbox: "asyncio.Queue[str]"
    _pace: Pace
    _user_id: int
    _seat: int
    _is_over: bool

    # -- coming and going ----------------------------------------------------------------------------------

    async def connect(self) -> None:
        self._tasks, self._follower = [], None
        self._outbox, self._pace = asyncio.Queue(OUTBOUND_FRAMES), Pace()
        self._user_id, self._seat, self._is_over = 0, 0, False
        self.sandbox_id = self.scope["url_route"]["kwargs"]["sandbox_id"]
        await self.accept()
        # Refused only after the accept: a browser is not told the code of a refused handshake.
        code = await database_sync_to_async(self._refusal)() or self._sit_down()
        if code:
            await self.close(code)
            return
        self._tasks = [asyncio.create_task(self._write()), asyncio.create_task(self._watch_session())]
        await self._send_programs()

    async def disconnect(self, code: int) -> None:
        tasks = [*self._tasks, *([self._follower] if self._follower else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._seat:
            _seats.leave(self._seat)
            self._seat = 0

    async def close(self, code: int | None = None, reason: str | None = None) -> None:
        """Nothing that is said from now on is done."""
        self._is_over = True
        await super().close(code, reason)

    def _sit_down(self) -> int:
        self._seat = self._user_id if _seats.take(self._user_id) else 0
        return 0 if self._seat else TOO_MANY

    def _refusal(self) -> int:
        """0, or the code to close with: the session may have ended since the last look."""
        user = self._user()
        if user is None:
            return SIGNED_OUT
        self._user_id = user.pk
        if selectors.owned_sandbox(self.sandbox_id, user) is not None:
            return 0
        return FORBIDDEN if Sandbox.objects.filter(pk=self.sandbox_id).exists() else NO_SUCH

    def _user(self) -> User | None:
        """The session's user as the database has it now, not as it was at the handshake."""
        session: Any = self.scope.get("session")
        if session is None:
            return None
        fresh = session.__class__(session.session_key)
        user = get_user(_SessionOnly(fresh))  # type: ignore[arg-type]
        return user if isinstance(user, User) and user.is_active else None

    async def _watch_session(self) -> None:
        while True:
            await asyncio.sleep(RECHECK_S)
            try:
                code = await database_sync_to_async(self._refusal)()
            except DatabaseError:  # busy for a moment; the next look is soon
                logger.exception("workspace.look")
                continue
            if code:
                await self.close(code)
                return

    # -- what the browser asks -----------------------------------------------------------------------------

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self._is_over:
            return
        asked = _parse(text_data) if self._pace.may_speak() else None
        handler = getattr(self, f"_op_{asked.get('op')}", None) if asked else None
        if asked is None or handler is None:
            await self.close(BAD_FRAME)
            return
        code = await database_sync_to_async(self._refusal)()
        if code:
            await self.close(code)
            return
        try:
            await handler(asked)
        except (SandboxError, BackendError) as error:
            await self._tell({"kind": "error", "op": asked["op"], "sentence": error.sentence})

    async def _op_follow(self, asked: dict[str, Any]) -> None:
        after = asked.get("after", 0)
        if self._follower is not None:
            self._follower.cancel()
        self._follower = asyncio.create_task(self._follow(after if isinstance(after, int) else 0))

    async def _op_run(self, asked: dict[str, Any]) -> None:
        path, args, label = asked.get("path"), asked.get("args", []), asked.get("label", "")
        if not isinstance(path, str) or not _are_words(args) or not isinstance(label, str):
            await self.close(BAD_FRAME)
            return
        await database_sync_to_async(self._run)(path, tuple(args), label[:60])

    async def _op_stop(self, asked: dict[str, Any]) -> None:
        await database_sync_to_async(self._end)(str(asked.get("program", "")), "stop")

    async def _op_kill(self, asked: dict[str, Any]) -> None:
        await database_sync_to_async(self._end)(str(asked.get("program", "")), "kill")

    # -- doing it, in a thread -----------------------------------------------------------------------------

    def _sandbox(self) -> Sandbox:
        return Sandbox.objects.select_related("cluster").get(pk=self.sandbox_id)

    def _workspace(self) -> Workspace:
        return provisioning.workspace(self._sandbox())

    def _run(self, path: str, args: tuple[str, ...], label: str) -> None:
        sandbox = self._sandbox()
        address = (self.scope.get("client") or ("",))[0]
        limits.spend(limits.RUN, sandbox.owner_id or 0, address=str(address))
        services.run_program(sandbox, path=path, args=args, label=label)

    def _end(self, program_id: str, how: str) -> None:
        space = self._workspace()
        (space.stop_program if how == "stop" else space.kill_program)(program_id)

    def _programs(self) -> tuple[ProgramRun, ...]:
        return self._workspace().programs()

    # -- telling the browser -------------------------------------------------------------------------------

    async def _send_programs(self) -> None:
        """The programs so far; none while the sandbox is not running, which is no error."""
        try:
            runs = await database_sync_to_async(self._programs)()
        except (SandboxError, BackendError):
            runs = ()
        await self._tell({"kind": "programs", "programs": [asdict(run) for run in runs]})

    async def _follow(self, after: int) -> None:
        """Pass on what programs do, for ever; a restart of the host is waited for."""
        cleaners: dict[str, ColourOnly] = {}
        while True:
            with suppress(SandboxError, BackendError, OSError, DatabaseError, Sandbox.DoesNotExist):
                space = await database_sync_to_async(self._workspace)()
                async for event in space.follow(after=after):
                    if not await self._tell(_frame(event, cleaners)):
                        return
                    after = event.seq
            await asyncio.sleep(RETRY_S)

    async def _tell(self, frame: dict[str, Any]) -> bool:
        """False when the browser takes nothing any more, and was told to come back."""
        try:
            async with asyncio.timeout(SLOW_S):
                await self._outbox.put(json.dumps(frame))
        except TimeoutError:
            logger.info("workspace.slow", extra={"sandbox": self.sandbox_id.hex})
            await self.close(SLOW)
            return False
        return True

    async def _write(self) -> None:
        while True:
            await self.send(text_data=await self._outbox.get())


class _SessionOnly:
    """As much of a request as `get_user` needs."""

    def __init__(self, session: Any) -> None:
        self.session = session


def _parse(text: str | None) -> dict[str, Any] | None:
    """The request as an object, or None when it is too long or no object at all."""
    if text is None or len(text.encode()) > INBOUND_BYTES:
        return None
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return asked if isinstance(asked, dict) and isinstance(asked.get("op"), str) else None


def _are_words(args: object) -> bool:
    return isinstance(args, list) and len(args) <= 20 and all(isinstance(word, str) for word in args)


def _frame(event: ProgramEvent, cleaners: dict[str, ColourOnly]) -> dict[str, Any]:
    """An event as the browser gets it, with its text cleaned of all escape sequences but colours."""
    text = event.text
    if event.kind == "output":
        text = cleaners.setdefault(event.program_id, ColourOnly()).feed(text)
    else:
        cleaners.pop(event.program_id, None)
    run = asdict(event.run) if event.run else None
    return {"kind": event.kind, "seq": event.seq, "program": event.program_id, "text": text, "run": run}
