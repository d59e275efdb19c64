"""Frames for tabs without a websocket, on the web process's loop: event streams, and answers to polls."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import random
import secrets
import time
from collections.abc import AsyncIterator

from redis.exceptions import RedisError

from accounts.sockets import SLOW, TOO_MANY
from live import frames, ops
from live.access import Asker
from live.ops import Place
from live.process import of_this_process
from live.tab import Tab
from live.viewer import Viewer

# So often a stream says something, also to show that nothing on the way holds it back; never in an even
# measure, which a proxy that passes things on every few seconds could keep: all would seem equally late.
BEAT_S = (2.0, 3.0)
# The page acknowledges every beat; one from which nothing comes any more sleeps, or is gone.
SILENT_S = 40.0
# A poll is answered with what there is by then; a first one has to wait for the sampler.
PATIENCE_S = 1.5


async def events(asker: Asker, user_id: int, hello: ops.Hello) -> AsyncIterator[bytes]:
    """Server-sent events: the stream's name, then frames (a line each), at last the code to close with."""
    here = of_this_process()
    tab, name = here.tab(asker), secrets.token_urlsafe(16)
    place = _place_of(asker, name)
    if not tab.enter(user_id):
        yield _event("close", str(TOO_MANY))
        return
    here.streams[place] = tab
    try:
        tab.begin(hello)
        yield _event("stream", name)
        async for event in _events(tab, asker.sandbox_id.hex):
            yield event
    finally:
        del here.streams[place]
        tab.leave()


async def _events(tab: Tab, hex_id: str) -> AsyncIterator[bytes]:
    loop, viewer = asyncio.get_running_loop(), tab.viewer
    beat_at = loop.time() + _pause_s()
    while not viewer.close_code:
        try:
            async with asyncio.timeout_at(beat_at):
                text = await viewer.outgoing.next()
        except TimeoutError:
            text, beat_at = _ping(hex_id), loop.time() + _pause_s()
            if time.monotonic() - tab.pace.spoken_at > SILENT_S:
                viewer.close(SLOW)
                break
        if text is not None:
            yield _data(text, viewer.place)
    yield _event("close", str(viewer.close_code))


async def once(hex_id: str, hello: ops.Hello, *, told: int) -> AsyncIterator[bytes]:
    """What a tab has missed, and the control events from `told` on; at last the server's time."""
    hub, viewer = of_this_process().hub, Viewer(hello.topics)
    hub.attach(hex_id, viewer, hello.resume)
    try:
        for text in await _waiting(viewer):
            yield f"{text}\n".encode()
        # Both at one moment: what comes while this is being sent is for the next answer.
        now, news = _ping(hex_id), hub.missed_since(hex_id, told)
        for frame in news:
            yield frames.encode(frame) + b"\n"
        yield now.encode()
    finally:
        hub.detach(hex_id, viewer)


async def _waiting(viewer: Viewer) -> list[str]:
    """What there is within our patience. Gathered first: a slow line takes its own time (PEP 789)."""
    texts: list[str] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE_S):
            while viewer.place is None and not viewer.close_code:
                if text := await viewer.outgoing.next():
                    texts.append(text)
    return texts


async def passing_on(asker: Asker, name: str, text: str) -> AsyncIterator[bytes]:
    """Nothing to say; a Redis that is away loses the operation, as a socket that is cut does."""
    with contextlib.suppress(RedisError):
        await of_this_process().hub.pass_on(_place_of(asker, name), text)
    yield b""


def _place_of(asker: Asker, name: str) -> str:
    """Under what a stream is kept, and found by nobody but the session and for the sandbox that opened it."""
    return hashlib.sha256(f"{asker.session_key} {asker.sandbox_id} {name}".encode()).hexdigest()


def _pause_s() -> float:
    return random.uniform(*BEAT_S)  # noqa: S311  a pause is no secret


def _ping(hex_id: str) -> str:
    return frames.encode(of_this_process().hub.ping(hex_id)).decode()


def _event(kind: str, data: str) -> bytes:
    return f"event: {kind}\ndata: {data}\n\n".encode()


def _data(text: str, place: Place | None) -> bytes:
    """Frames as they are: no frame has a line break in it. The id is where the tab stands after them."""
    mark = f"id: {place.epoch}:{place.seq}\n" if place else ""
    return f"{mark}data: {text.replace(chr(10), chr(10) + 'data: ')}\n\n".encode()
