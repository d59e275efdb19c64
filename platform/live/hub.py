"""One per web process: a single Redis subscription, fanned out to every viewer of this process.

A frame comes once from Redis and its text is shared by all viewers. The hub keeps the last frames of each
sandbox, so that a browser that was cut off gets exactly what it missed, and a snapshot otherwise.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any

import orjson
from redis.asyncio.client import PubSub
from redis.exceptions import RedisError

from live import frames
from live.feed import WATCH_S, Feed, Past, frames_channel, unpacked, unpacked_beat
from live.frames import LIMITS, RING_SECONDS
from live.ops import Place
from live.picture import now_ms
from live.stopping import stop
from live.stream import RING_BYTES, RING_FRAMES, Envelope
from live.viewer import Viewer

logger = logging.getLogger(__name__)

RENEW_S = WATCH_S / 3
TICK_S = 0.5
PING_S = 15.0
_RECONNECT_S = 0.5
_LISTEN_S = 5.0
_OWN_CHANNEL = "live:hubs"
# Rather a newer snapshot than one with hundreds of frames behind it.
_MOST_AFTER_SNAP = 300


class Ring:
    """The last frames of one epoch, without a gap between them."""

    def __init__(self, epoch: str = "", seq: int = 0) -> None:
        self.epoch = epoch
        self.seq = seq
        self._frames: deque[Envelope] = deque()
        self._bytes = 0

    def append(self, envelope: Envelope) -> None:
        self._frames.append(envelope)
        self._bytes += envelope.size()
        self.seq = envelope.seq
        oldest = envelope.t - RING_SECONDS * 1000
        while len(self._frames) > RING_FRAMES or self._bytes > RING_BYTES or self._frames[0].t < oldest:
            self._bytes -= self._frames.popleft().size()

    def covers(self, seq: int) -> bool:
        """Whether everything after `seq` is here."""
        return seq == self.seq or (bool(self._frames) and self._frames[0].seq <= seq + 1 and seq <= self.seq)

    def after(self, seq: int) -> list[Envelope]:
        return [envelope for envelope in self._frames if envelope.seq > seq]


class Channel:
    """One sandbox: its viewers, its last frames, and when its sampler was heard last."""

    def __init__(self, hex_id: str, feed: Feed) -> None:
        self.hex_id = hex_id
        self.viewers: dict[Viewer, Place | None] = {}
        self.heard = 0
        self.subscribed = asyncio.Event()
        self._feed = feed
        self._ring = Ring()
        self._past: Past | None = None
        self._early: list[Envelope] = []
        self._loading: asyncio.Task[None] | None = None
        self._is_stale = False
        self._waiting: dict[Viewer, Place | None] = {}

    async def close(self) -> None:
        """End what is being read for it: a read that outlives the client would leave its connection open."""
        await stop([self._loading] if self._loading else [])

    @property
    def topics(self) -> frozenset[str]:
        return frozenset().union(*(viewer.topics for viewer in self.viewers))

    # -- Viewers -------------------------------------------------------------------------------------------

    def attach(self, viewer: Viewer, resume: Place | None, *, greet: bool) -> None:
        """Bring a viewer up to date: the frames it missed, or a snapshot as soon as there is one.

        greet: say hello first, as a new connection expects.
        """
        self.viewers[viewer] = resume
        if self._resume(viewer, resume):
            self._waiting.pop(viewer, None)
            return
        viewer.stand_at("", 0)
        if greet:
            viewer.say(_hello(None, resumed=False))
        self._waiting[viewer] = resume
        self._serve_waiting()

    def detach(self, viewer: Viewer) -> None:
        self.viewers.pop(viewer, None)
        self._waiting.pop(viewer, None)

    def _serve_waiting(self) -> None:
        """Snapshots for those who wait for one, from what is here if it is recent enough, else read anew."""
        if not self._waiting:
            return
        past = self._past
        is_fresh = past and past.epoch == self._ring.epoch and self._ring.covers(past.seq)
        if past and is_fresh and self._ring.seq - past.seq <= _MOST_AFTER_SNAP:
            self._serve_from(past)
        else:
            self._load()

    def _serve_from(self, past: Past) -> None:
        waiting, self._waiting = self._waiting, {}
        texts: dict[frozenset[str], bytes] = {}
        for viewer, resume in waiting.items():
            self._restart(viewer, resume, past, texts)

    def _resume(self, viewer: Viewer, resume: Place | None) -> bool:
        """Give a viewer exactly what it missed, when all of it is here."""
        if resume is None or resume.epoch != self._ring.epoch or not self._ring.covers(resume.seq):
            return False
        viewer.stand_at(resume.epoch, resume.seq)
        viewer.say(_hello(resume, resumed=True))
        self._pass_on(viewer, self._ring.after(resume.seq))
        return True

    def _restart(
        self, viewer: Viewer, resume: Place | None, past: Past, texts: dict[frozenset[str], bytes]
    ) -> None:
        if self._resume(viewer, resume):
            return
        viewer.stand_at(past.epoch, past.seq)
        if resume and resume.epoch == past.epoch and resume.seq < past.seq:
            viewer.say(frames.Lost(e=past.epoch, t=now_ms(), from_=resume.seq + 1, to=past.seq))
        if viewer.topics not in texts:
            texts[viewer.topics] = _only(past.snap, viewer.topics)
        viewer.say_raw(texts[viewer.topics])
        self._pass_on(viewer, self._ring.after(past.seq))

    @staticmethod
    def _pass_on(viewer: Viewer, envelopes: Sequence[Envelope]) -> None:
        for envelope in envelopes:
            viewer.offer(envelope, envelope.data.decode())

    # -- Frames --------------------------------------------------------------------------------------------

    def receive(self, data: bytes) -> None:
        """One message of the sampler."""
        self.heard = now_ms()
        beat = unpacked_beat(data)
        if beat is None:
            envelope = unpacked(data)
            (self._early.append if self._loading else self._follow)(envelope)
        elif beat != (self._ring.epoch, self._ring.seq) or self._waiting:
            self._is_stale = True
            self._load()

    def _follow(self, envelope: Envelope) -> None:
        if envelope.epoch == self._ring.epoch and envelope.seq <= self._ring.seq:
            return
        if envelope.epoch != self._ring.epoch or envelope.seq != self._ring.seq + 1:
            self._early.append(envelope)
            self._load()
            return
        self._ring.append(envelope)
        text = envelope.data.decode()
        for viewer in self.viewers:
            viewer.offer(envelope, text)

    def reload(self) -> None:
        """Something may have been missed: the subscription was made anew."""
        self._load()

    def _load(self) -> None:
        if self._loading is None:
            self._loading = asyncio.create_task(self._read_past())

    async def _read_past(self) -> None:
        past: Past | None = None
        self._is_stale = False
        try:
            await self.subscribed.wait()
            past = await self._feed.past(self.hex_id)
        except RedisError:
            await asyncio.sleep(_RECONNECT_S)
        finally:
            self._loading = None
        early, self._early = self._early, []
        if past:
            self._adopt(past)
            for envelope in early:
                if envelope.epoch == past.epoch:
                    self._follow(envelope)
        # What came while we read may be newer than what we read; the read after that cannot be older.
        if self._is_stale or any(past is None or envelope.epoch != past.epoch for envelope in early):
            self._load()
        elif past:
            self._serve_from(past)

    def _adopt(self, past: Past) -> None:
        """Go on from what Redis holds: with what was missed, or from a new snapshot for everybody."""
        self._past = past
        if past.epoch == self._ring.epoch and self._ring.covers(past.seq):
            missed = [e for e in past.ring if e.epoch == past.epoch and e.seq > self._ring.seq]
            if not missed or missed[0].seq == self._ring.seq + 1:
                for envelope in missed:
                    self._follow(envelope)
                return
        places: dict[Viewer, Place | None] = {
            viewer: Place(self._ring.epoch, self._ring.seq) for viewer in self.viewers if not viewer.is_paused
        }
        self._ring = _ring_of(past)
        self._waiting = places | self._waiting


def _ring_of(past: Past) -> Ring:
    """The frames of the snapshot's epoch as a ring: the snapshot's own place when there are none."""
    mine = [envelope for envelope in past.ring if envelope.epoch == past.epoch]
    ring = Ring(past.epoch, past.seq if not mine or mine[-1].seq < past.seq else 0)
    for envelope in mine:
        ring.append(envelope)
    ring.seq = max(ring.seq, past.seq)
    return ring


class Hub:
    """Made on a running loop; `close` it. All methods are for that loop only."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed
        self._channels: dict[str, Channel] = {}
        self._ear: PubSub | None = None
        self._tasks = [asyncio.create_task(run()) for run in (self._listen, self._renew, self._tick)]
        self._knocks: set[asyncio.Task[None]] = set()
        self._subscribed: set[str] = set()
        self._turn = asyncio.Lock()

    async def close(self) -> None:
        await stop([*self._tasks, *self._knocks])
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        if self._ear:
            with contextlib.suppress(RedisError):
                await self._ear.aclose()  # type: ignore[no-untyped-call]
        await self._feed.redis.aclose()

    @property
    def viewers(self) -> list[Viewer]:
        return [viewer for channel in self._channels.values() for viewer in channel.viewers]

    # -- For consumers -------------------------------------------------------------------------------------

    def attach(self, hex_id: str, viewer: Viewer, resume: Place | None, *, greet: bool = True) -> None:
        """Watch a sandbox from `resume` on, or from a snapshot. Again for a viewer that asks to resume."""
        channel = self._channels.get(hex_id)
        if channel is None:
            channel = self._channels[hex_id] = Channel(hex_id, self._feed)
            self._soon(self._subscribe())
        channel.attach(viewer, resume, greet=greet)
        self._soon(self._knock(channel))

    def view(self, hex_id: str, viewer: Viewer, topics: Iterable[str]) -> None:
        """Change what a viewer views; topics that are new to it come with a snapshot."""
        wanted = frozenset(topics)
        added = wanted - viewer.topics
        viewer.topics = wanted
        if added:
            channel = self._channels[hex_id]
            if not viewer.is_paused:
                channel.attach(viewer, None, greet=False)
            self._soon(self._knock(channel))

    def detach(self, hex_id: str, viewer: Viewer) -> None:
        channel = self._channels.get(hex_id)
        if channel:
            channel.detach(viewer)
            if not channel.viewers:
                self._soon(channel.close())
                del self._channels[hex_id]
                self._soon(self._subscribe())

    # -- Redis ---------------------------------------------------------------------------------------------

    def _soon(self, errand: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(errand)
        self._knocks.add(task)
        task.add_done_callback(self._knocks.discard)

    async def _knock(self, channel: Channel) -> None:
        with contextlib.suppress(RedisError):
            await self._feed.keep_watching(channel.hex_id, channel.topics)
            await self._feed.knock(channel.hex_id)

    async def _renew(self) -> None:
        """Keep every sandbox that has a viewer watched."""
        while True:
            await asyncio.sleep(RENEW_S)
            with contextlib.suppress(RedisError):
                for channel in list(self._channels.values()):
                    await self._feed.keep_watching(channel.hex_id, channel.topics)

    async def _listen(self) -> None:
        """One subscription for all sandboxes; a broken one is made anew, and what was missed is read."""
        while True:
            try:
                async with self._feed.listener() as ear:
                    await ear.subscribe(_OWN_CHANNEL)  # a subscription to nothing cannot be listened to
                    self._ear = ear
                    await self._subscribe()
                    while True:
                        self._heard(await ear.get_message(timeout=_LISTEN_S))
            except (RedisError, OSError) as error:
                logger.warning("live.hub.cut", extra={"error": str(error)})
            self._ear = None
            self._subscribed.clear()
            for channel in self._channels.values():
                channel.subscribed.clear()
            await asyncio.sleep(_RECONNECT_S)

    async def _subscribe(self) -> None:
        """Make the subscription fit the channels. While there is none, making it anew will."""
        async with self._turn:
            ear, wanted = self._ear, set(self._channels)
            if ear is None:
                return
            for hex_id in wanted & self._subscribed:
                self._channels[hex_id].subscribed.set()
            new, gone = wanted - self._subscribed, self._subscribed - wanted
            self._subscribed = wanted
            with contextlib.suppress(RedisError, OSError):  # the listener meets the same error
                if new:
                    await ear.subscribe(*map(frames_channel, new))
                if gone:
                    await ear.unsubscribe(*map(frames_channel, gone))

    def _heard(self, message: dict[str, Any] | None) -> None:
        if message is None:
            return
        channel = self._channels.get(message["channel"].decode().rpartition(":")[2])
        if channel is None:
            return
        if message["type"] == "subscribe":
            channel.subscribed.set()
            channel.reload()
        elif message["type"] == "message":
            channel.receive(message["data"])

    # -- Time ----------------------------------------------------------------------------------------------

    async def _tick(self) -> None:
        pinged = time.monotonic()
        while True:
            await asyncio.sleep(TICK_S)
            now = time.monotonic()
            is_ping_due = now - pinged >= PING_S
            pinged = now if is_ping_due else pinged
            for channel in list(self._channels.values()):
                for viewer in channel.viewers:
                    viewer.tick(now)
                    if is_ping_due:
                        viewer.say(frames.Ping(t=now_ms(), heard=channel.heard))


def _hello(place: Place | None, *, resumed: bool) -> frames.Hello:
    epoch, seq = (place.epoch, place.seq) if place else ("", 0)
    return frames.Hello(e=epoch, s=seq, t=now_ms(), limits=LIMITS, resumed=resumed)


def _only(snap: bytes, topics: frozenset[str]) -> bytes:
    """A snapshot with the records of the viewed topics only."""
    fields = orjson.loads(snap)
    fields["records"] = {name: records for name, records in fields["records"].items() if name in topics}
    return orjson.dumps(fields)
