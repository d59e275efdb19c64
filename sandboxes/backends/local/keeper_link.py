"""The host's line to one sandbox's keeper: requests with answers, descriptors both ways, events."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PACKET = 131072
ANSWER_S = 5.0

Event = dict[str, Any]


class KeeperGone(Exception):
    """The keeper has ended or refuses us; everything in the sandbox has ended with it or will."""


class KeeperRefused(Exception):
    """The keeper could not do what was asked; the text says why."""


class KeeperLink:
    """Open with `connect`. `children` are the names that lived at that time.

    on_event and on_lost are called from the event loop; on_lost once, when the line has broken.
    """

    def __init__(
        self, line: socket.socket, on_event: Callable[[Event], None], on_lost: Callable[[], None]
    ) -> None:
        self._line = line
        self._on_event = on_event
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, asyncio.Future[tuple[Event, socket.socket | None]]] = {}
        self._next_id = 0
        self.children: tuple[str, ...] = ()

    @classmethod
    async def connect(
        cls, run: Path, token: str, on_event: Callable[[Event], None], on_lost: Callable[[], None]
    ) -> KeeperLink:
        """Say hello to the keeper of this run directory; raises KeeperGone."""
        line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        line.setblocking(False)
        try:
            _dial(line, run)
        except OSError as error:
            line.close()
            raise KeeperGone(str(error)) from error
        link = cls(line, on_event, on_lost)
        link._loop.add_reader(line.fileno(), link._readable)
        answer, _ = await link.ask({"op": "hello", "token": token})
        link.children = tuple(answer["children"])
        return link

    async def ask(
        self, request: Event, descriptors: Sequence[int] = ()
    ) -> tuple[Event, socket.socket | None]:
        """One request; the answer may bring a socket, which the caller then owns."""
        self._next_id += 1
        number = self._next_id
        future = self._loop.create_future()
        self._waiting[number] = future
        try:
            self._send(json.dumps(request | {"id": number}).encode(), descriptors)
            async with asyncio.timeout(ANSWER_S):
                answer, given = await future
        except (OSError, TimeoutError) as error:
            raise KeeperGone(str(error) or "no answer") from error
        finally:
            self._waiting.pop(number, None)
        if not answer["ok"]:
            raise KeeperRefused(answer.get("error", ""))
        return answer, given

    def close(self) -> None:
        """Hang up without calling on_lost."""
        if self._line.fileno() >= 0:
            self._loop.remove_reader(self._line.fileno())
            self._line.close()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(OSError("the line was closed"))

    def _send(self, packet: bytes, descriptors: Sequence[int]) -> None:
        if self._line.fileno() < 0:
            raise OSError("the line is closed")
        socket.send_fds(self._line, [packet], list(descriptors))

    def _readable(self) -> None:
        try:
            packet, given, _, _ = socket.recv_fds(self._line, PACKET, 4)
        except BlockingIOError:
            return
        except OSError:
            packet, given = b"", []
        if not packet:
            self.close()
            self._on_lost()
            return
        self._take(json.loads(packet), given)

    def _take(self, said: Event, given: list[int]) -> None:
        brought = socket.socket(fileno=given[0]) if given else None
        if "event" in said:
            self._on_event(said)
            return
        future = self._waiting.get(said.get("id", 0))
        if future and not future.done():
            future.set_result((said, brought))
        elif brought:
            brought.close()


def _dial(line: socket.socket, run: Path) -> None:
    """Connect by way of the directory's descriptor: a socket's own path holds 107 bytes only."""
    directory = os.open(run, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        line.connect(f"/proc/self/fd/{directory}/keeper.sock")
    finally:
        with contextlib.suppress(OSError):
            os.close(directory)
