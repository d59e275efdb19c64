"""One sandbox in one web process: its tabs, its last frames, and how a tab is brought up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

import orjson
from redis.exceptions import RedisError

from live import frames, metrics
from live.feed import Feed, Past, unpacked, unpacked_beat
from live.frames import LIMITS
from live.news import News
from live.ops import Place
from live.picture import now_ms
from live.ring import Ring, ring_of
from live.stopping import stop
from live.stream import Envelope
from live.viewer import Viewer
from live.volley import Volley

RECONNECT_S = 0.5
# Rather a newer snapshot than one with hundreds of frames behind it.
_MOST_AFTER_SNAP = 300
# A sampler says something every three seconds at least; the page says so when it has missed it three times.
QUIET_MS = 9_000


# Hands the control events about a sandbox to a function, until cancelled.
Follow = Callable[[str, Callable[[Mapping[str, Any]], None]], Coroutine[Any, Any, None]]


class Channel:
    """One sandbox: its viewers, its last frames, and when its sampler was heard last.

    wished: the topics its samplers were last told of; wished_at: when; left_at: since when nobody watches,
    monotonic seconds; heard: a sign of life of its sampler, or when we began to listen for one.
    """

    def __init__(self, hex_id: str, feed: Feed, follow: Follow | None = None) -> None:
        self.hex_id = hex_id
        self.viewers: dict[Viewer, Place | None] = {}
        self.heard = now_ms()
        self._was_quiet = False
        self.subscribed = asyncio.Event()
        self.wished: frozenset[str] | None = None
        self.wished_at = self.left_at = 0.0
        self.news = News()
        self._feed = feed
        self._follow_control = follow
        self._listening: asyncio.Task[None] | None = None
        self._ring = Ring()
        self._past: Past | None = None
        self._snaps: dict[frozenset[str], str] = {}
        self._early: list[Envelope] = []
        self._fresh: list[Envelope] = []
        self._loading: asyncio.Task[None] | None = None
        self._is_stale = False
        self._waiting: dict[Viewer, Place | None] = {}

    async def close(self) -> None:
        """End what is being read for it: a read that outlives the client would leave its connection open."""
        await stop(task for task in (self._loading, self._listening) if task)

    @property
    def topics(self) -> frozenset[str]:
        """What somebody views; while nobody watches, what was viewed last."""
        if not self.viewers:
            return self.wished or frozenset()
        return frozenset().union(*(viewer.topics for viewer in self.viewers))

    # -- Signs of life -------------------------------------------------------------------------------------

    def ping(self) -> frames.Ping:
        return frames.Ping(t=now_ms(), heard=self.heard)

    @property
    def is_quiet(self) -> bool:
        """What its tabs show is not what is so, whoever is to blame: the sampler, Redis, or our way to it."""
        return now_ms() - self.heard > QUIET_MS

    def has_turned(self) -> bool:
        """Whether it fell silent, or is heard again, since this was asked last."""
        before, self._was_quiet = self._was_quiet, self.is_quiet
        return before != self._was_quiet

    # -- Viewers -------------------------------------------------------------------------------------------

    def attach(self, viewer: Viewer, resume: Place | None, *, greet: bool) -> None:
        """Bring a viewer up to date: the frames it missed, or a snapshot as soon as there is one.

        greet: say hello first, as a new connection expects.
        """
        self._deliver()
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
        for viewer, resume in waiting.items():
            self._restart(viewer, resume, past)

    def _resume(self, viewer: Viewer, resume: Place | None) -> bool:
        """Give a viewer exactly what it missed, when all of it is here."""
        if resume is None or resume.epoch != self._ring.epoch or not self._ring.covers(resume.seq):
            return False
        viewer.stand_at(resume.epoch, resume.seq)
        metrics.RESUMES.labels("ring").inc()
        viewer.say(_hello(resume, resumed=True))
        self._pass_on(viewer, self._ring.after(resume.seq))
        return True

    def _restart(self, viewer: Viewer, resume: Place | None, past: Past) -> None:
        if self._resume(viewer, resume):
            return
        metrics.RESUMES.labels("snapshot").inc()
        viewer.stand_at(past.epoch, past.seq)
        if resume and resume.epoch == past.epoch and resume.seq < past.seq:
            viewer.say(frames.Lost(e=past.epoch, t=now_ms(), from_=resume.seq + 1, to=past.seq))
        if viewer.topics not in self._snaps:
            self._snaps[viewer.topics] = _only(past.snap, viewer.topics)
        viewer.say_raw(self._snaps[viewer.topics])
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
        metrics.FRAMES.inc()
        metrics.DELIVERIES.inc(len(self.viewers))
        if not self._fresh:
            asyncio.get_running_loop().call_soon(self._deliver)
        self._fresh.append(envelope)

    def _deliver(self) -> None:
        """Hand on what has come: what a sampler said at once goes out at once."""
        if self._fresh:
            volley, self._fresh = Volley(self._fresh), []
            for viewer in self.viewers:
                viewer.offer_all(volley)

    def reload(self) -> None:
        """Something may have been missed: the subscription was made anew."""
        self._load()

    def listen(self) -> None:
        """Hear of control events; anew when Redis was away."""
        if self._follow_control:
            self._listening = asyncio.create_task(self._hear(self._follow_control, self._listening))

    async def _hear(self, follow: Follow, before: asyncio.Task[None] | None) -> None:
        """One after the other: who leaves a group late would take with it who has just come."""
        if before:
            await stop([before])
        await follow(self.hex_id, self.tell)

    def tell(self, event: Mapping[str, Any]) -> None:
        """A control event for everybody who watches."""
        frame = frames.Control(t=now_ms(), kind=event["kind"], data=event["data"])
        self.news.keep(frame)
        for viewer in self.viewers:
            viewer.say(frame)

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
            await asyncio.sleep(RECONNECT_S)
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
        self._deliver()
        self._past, self._snaps = past, {}
        if past.epoch == self._ring.epoch and self._ring.covers(past.seq):
            missed = [e for e in past.ring if e.epoch == past.epoch and e.seq > self._ring.seq]
            if not missed or missed[0].seq == self._ring.seq + 1:
                for envelope in missed:
                    self._follow(envelope)
                return
        places: dict[Viewer, Place | None] = {
            viewer: Place(self._ring.epoch, self._ring.seq) for viewer in self.viewers if not viewer.is_paused
        }
        self._ring = ring_of(past)
        self._waiting = places | self._waiting


def _hello(place: Place | None, *, resumed: bool) -> frames.Hello:
    epoch, seq = (place.epoch, place.seq) if place else ("", 0)
    return frames.Hello(e=epoch, s=seq, t=now_ms(), limits=LIMITS, resumed=resumed)


def _only(snap: bytes, topics: frozenset[str]) -> str:
    """A snapshot with the records of the viewed topics only."""
    fields = orjson.loads(snap)
    fields["records"] = {name: records for name, records in fields["records"].items() if name in topics}
    return orjson.dumps(fields).decode()
