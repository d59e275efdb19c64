"""One browser tab that watches one sandbox, however it is reached: by websocket or by an event stream."""

from __future__ import annotations

from collections.abc import Callable

from accounts.sockets import BAD_FRAME, TOO_MANY, Pace
from live import ops
from live.access import Asker
from live.hub import Hub
from live.sessions import Sessions
from live.viewer import Viewer


class Tab:
    """`open` it, let it `take` what the browser says, write what its viewer has, and `leave`.

    pace: how often the browser speaks, and when it did last.
    """

    def __init__(
        self, asker: Asker, hub: Hub, sessions: Sessions, on_close: Callable[[], object] | None = None
    ) -> None:
        self.viewer = Viewer(on_close=on_close)
        self._asker, self._hub, self._sessions = asker, hub, sessions
        self._user_id = 0
        self._is_open = self._has_said_hello = False
        self.pace = Pace()

    async def open(self) -> int:
        """0 when the tab may watch, else the code to close it with."""
        answer = await self._sessions.admit(self._asker)
        if answer.code:
            return answer.code
        return 0 if self.enter(answer.user_id) else TOO_MANY

    def enter(self, user_id: int) -> bool:
        """As a user who has just been admitted; False when they have too many tabs."""
        self._user_id = user_id
        self._is_open = self._sessions.add(self._asker, user_id, self.viewer.close)
        return self._is_open

    def begin(self, hello: ops.Hello) -> None:
        """What the browser wants to see, and from where on. Its page may be older than we listen."""
        self._has_said_hello = True
        self.viewer.topics = hello.topics
        hex_id = self._asker.sandbox_id.hex
        self._hub.attach(hex_id, self.viewer, hello.resume)
        for frame in self._hub.missed_since(hex_id, 0):
            self.viewer.say(frame)

    def leave(self) -> None:
        if self._is_open:
            self._is_open = False
            self._hub.detach(self._asker.sandbox_id.hex, self.viewer)
            self._sessions.remove(self._asker, self._user_id, self.viewer.close)

    async def take(self, text: str) -> None:
        """What the browser says; one that says what a page of ours does not is closed."""
        if not self._is_open or self.viewer.close_code:
            return
        if not self.pace.may_speak():
            self.viewer.close(BAD_FRAME)
            return
        try:
            await self._do(ops.parse(text))
        except ops.BadOp:
            self.viewer.close(BAD_FRAME)

    async def _do(self, op: ops.Op) -> None:
        if self._has_said_hello == isinstance(op, ops.Hello):
            raise ops.BadOp("hello comes first, and once")
        hex_id = self._asker.sandbox_id.hex
        match op:
            case ops.Hello():
                self.begin(op)
            case ops.View(topics):
                await self._view(topics)
            case ops.Ack(seq):
                self.viewer.acknowledge(seq)
            case ops.Pause():
                self.viewer.is_paused = True
            case ops.Resume(place):
                self._hub.attach(hex_id, self.viewer, place, greet=False)

    async def _view(self, topics: frozenset[str]) -> None:
        answer = await self._sessions.admit(self._asker)
        if answer.code:
            self.viewer.close(answer.code)
        elif self._is_open:
            self._hub.view(self._asker.sandbox_id.hex, self.viewer, topics)
