"""Redis between samplers and hubs: who watches what, who samples it, its frames, and enough to catch up.

    live:watch:<hex>          sorted set, hub/viewed topic -> when that wish ends (server time, s); a hub
                              without a topic is a viewer without topics. Renewed by hubs, and taken back.
    live:watch:attempt:<hex>  an active attempt counts as a viewer (set by sandboxes.announce)
    live:lease:<hex>          token of the one sampler that may publish; live:fence counts the leases given
    live:frames:<hex>         pub/sub: packed envelopes, and beats
    live:ring:<hex>           list: the last envelopes; live:snap:<hex>: a snapshot that the ring continues
    live:knock                pub/sub: a hex whose watchers have changed
    live:ops                  pub/sub: what a browser without a websocket says, for the hub with its stream
    changed:<hex>             pub/sub: topics, offsets or groups have changed (the grader listens)

Every write of a sampler is one script that first checks its lease, so that one that was replaced cannot
speak. All calls raise redis.RedisError when Redis is away.
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import orjson
from redis.asyncio import Redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from live.frames import VIEWED_TOPICS, Lane
from live.stream import Envelope, Output

WATCH_S = 30
LEASE_MS = 10_000
KEEP_S = 120
KNOCK = "live:knock"
OPS = "live:ops"
_SCAN_COUNT = 500

_LANES = tuple(Lane)
_HEAD = struct.Struct(">BQQHHII")  # lane, sequence, t; lengths of epoch, topic, frame, lean frame
_BEAT = b"\xff"

_WATCH = """
local now = redis.call('TIME')
local ends = now[1] + ARGV[1]
for i = 2, #ARGV do redis.call('ZADD', KEYS[1], ends, ARGV[i]) end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. now[1])
redis.call('EXPIRE', KEYS[1], ARGV[1])
"""

_UNWATCH = """
for _, wish in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if string.sub(wish, 1, #ARGV[1]) == ARGV[1] then redis.call('ZREM', KEYS[1], wish) end
end
"""

_VIEWS = """
local now = redis.call('TIME')
return redis.call('ZREVRANGEBYSCORE', KEYS[1], '+inf', now[1])
"""

_CLAIM = """
if not redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 0 end
redis.call('DEL', KEYS[2], KEYS[3])
return redis.call('INCR', 'live:fence')
"""

_RENEW = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
redis.call('EXPIRE', KEYS[2], ARGV[3])
redis.call('EXPIRE', KEYS[3], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 1
"""

_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1], KEYS[2], KEYS[3]) end
"""

_PUBLISH = """
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
for i = 8, #ARGV do redis.call('RPUSH', KEYS[2], ARGV[i]) end
if tonumber(ARGV[3]) > 0 then redis.call('LTRIM', KEYS[2], ARGV[3], -1) end
if ARGV[4] ~= '' then redis.call('SET', KEYS[3], ARGV[4], 'EX', ARGV[2]) end
redis.call('EXPIRE', KEYS[2], ARGV[2])
for i = 8, #ARGV do redis.call('PUBLISH', ARGV[5], ARGV[i]) end
if ARGV[7] ~= '' then redis.call('PUBLISH', ARGV[5], ARGV[7]) end
if ARGV[6] ~= '' then redis.call('PUBLISH', ARGV[6], '{}') end
return 1
"""


def frames_channel(hex_id: str) -> str:
    return f"live:frames:{hex_id}"


def changed_channel(hex_id: str) -> str:
    return f"changed:{hex_id}"


def _watch_key(hex_id: str) -> str:
    return f"live:watch:{hex_id}"


def _keys(hex_id: str) -> tuple[str, str, str]:
    return f"live:lease:{hex_id}", f"live:ring:{hex_id}", f"live:snap:{hex_id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What Redis holds of one sandbox: a snapshot, and frames of which some follow it without a gap.

    epoch, seq: where the snapshot stands; snap: its JSON.
    """

    epoch: str
    seq: int
    snap: bytes
    ring: tuple[Envelope, ...]


def connect(url: str) -> Redis:
    """A client whose calls give up after two seconds, and that tries once more when its connection died."""
    once_more = Retry(NoBackoff(), 1)
    return Redis.from_url(url, socket_timeout=2, socket_connect_timeout=2, retry=once_more)


class Feed:
    """All that samplers and hubs say to Redis."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._mark = f"{secrets.token_hex(4)}/"

    # -- Watching ------------------------------------------------------------------------------------------

    async def keep_watching(self, hex_id: str, topics: Iterable[str]) -> None:
        """Count as a viewer of these topics for the next 30 s."""
        wishes = sorted(self._mark + topic for topic in {"", *topics})
        await self._eval(_WATCH, [_watch_key(hex_id)], [WATCH_S, *wishes])

    async def stop_watching(self, hex_id: str) -> None:
        """Take back what `keep_watching` of this feed said; what others watch stays watched."""
        await self._eval(_UNWATCH, [_watch_key(hex_id)], [self._mark])

    async def knock(self, hex_id: str) -> None:
        """Tell samplers to look now and not in a second."""
        await self.redis.publish(KNOCK, hex_id)

    async def watched(self) -> set[str]:
        """Every sandbox that has a viewer or an active attempt."""
        found = set()
        async for key in self.redis.scan_iter(match="live:watch:*", count=_SCAN_COUNT):
            found.add(cast("bytes", key).decode().rpartition(":")[2])
        return found

    async def is_watched(self, hex_id: str) -> bool:
        return bool(await self.redis.exists(_watch_key(hex_id), f"live:watch:attempt:{hex_id}"))

    async def views(self, hex_id: str) -> list[str]:
        """The topics somebody views, the most recently wished first, as many as are followed."""
        wishes = await self._eval(_VIEWS, [_watch_key(hex_id)], [])
        names = (wish.decode("utf-8", "replace").partition("/")[2] for wish in wishes)
        return list(dict.fromkeys(name for name in names if name))[:VIEWED_TOPICS]

    # -- Sampling ------------------------------------------------------------------------------------------

    async def claim(self, hex_id: str, token: str) -> int:
        """Become the one sampler of a sandbox: the fencing number, 0 when another is. Forgets the last
        one's frames.
        """
        return int(await self._eval(_CLAIM, _keys(hex_id), [token, LEASE_MS]))

    async def renew(self, hex_id: str, token: str, epoch: str, seq: int) -> bool:
        """Stay the sampler for 10 s more, and tell hubs where the sequence stands; False when another took
        over.
        """
        arguments = [token, LEASE_MS, KEEP_S, frames_channel(hex_id), _packed_beat(epoch, seq)]
        return bool(await self._eval(_RENEW, _keys(hex_id), arguments))

    async def release(self, hex_id: str, token: str) -> None:
        await self._eval(_RELEASE, _keys(hex_id), [token])

    async def publish(self, hex_id: str, token: str, output: Output) -> bool:
        """Frames to whoever listens and into the ring, in one step; False when the lease is another's."""
        changed = changed_channel(hex_id) if output.has_changed else ""
        beat = b"" if output.envelopes else _packed_beat(output.epoch, output.seq)
        arguments = [token, KEEP_S, output.drop, output.snap, frames_channel(hex_id), changed, beat]
        return bool(await self._eval(_PUBLISH, _keys(hex_id), [*arguments, *map(packed, output.envelopes)]))

    # -- Following -----------------------------------------------------------------------------------------

    def listener(self) -> PubSub:
        return self.redis.pubsub()

    async def past(self, hex_id: str) -> Past | None:
        """Snapshot and ring as of one moment; None while there is no snapshot."""
        _, ring_key, snap_key = _keys(hex_id)
        async with self.redis.pipeline(transaction=True) as both:
            both.get(snap_key)
            both.lrange(ring_key, 0, -1)
            snap, ring = await both.execute()
        if not snap:
            return None
        head = orjson.loads(snap)
        return Past(epoch=head["e"], seq=head["s"], snap=snap, ring=tuple(unpacked(one) for one in ring))

    async def _eval(self, script: str, keys: Sequence[str], arguments: Sequence[Any]) -> Any:
        return await self.redis.register_script(script)(keys=list(keys), args=list(arguments))


def _packed_beat(epoch: str, seq: int) -> bytes:
    return _BEAT + f"{epoch} {seq}".encode()


def unpacked_beat(data: bytes) -> tuple[str, int] | None:
    """Epoch and sequence of a beat; None when it is an envelope."""
    if not data.startswith(_BEAT):
        return None
    epoch, _, seq = data[1:].decode().partition(" ")
    return epoch, int(seq)


def packed(envelope: Envelope) -> bytes:
    """An envelope as bytes: a fixed head, then epoch, topic and the frames as they are."""
    epoch, topic = envelope.epoch.encode(), envelope.topic.encode()
    lengths = (len(epoch), len(topic), len(envelope.data), len(envelope.lean))
    head = _HEAD.pack(_LANES.index(envelope.lane), envelope.seq, envelope.t, *lengths)
    return head + epoch + topic + envelope.data + envelope.lean


def unpacked(data: bytes) -> Envelope:
    lane, seq, t, *lengths = _HEAD.unpack_from(data)
    pos, pieces = _HEAD.size, []
    for length in lengths:
        pieces.append(data[pos : pos + length])
        pos += length
    epoch, topic, frame, lean = pieces
    return Envelope(
        epoch=epoch.decode(), seq=seq, t=t, lane=_LANES[lane], topic=topic.decode(), data=frame, lean=lean
    )
