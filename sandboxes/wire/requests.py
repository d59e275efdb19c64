"""The questions we ask about brokers, topics and records: how each is written, how its answer is read.

One fixed version per question, the newest whose meaning we have tested; the connection checks at the start
that the broker speaks it. Layouts: the JSON message definitions in Kafka's own sources
(clients/src/main/resources). Those about groups are in groups.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from sandboxes.wire.errors import Refused
from sandboxes.wire.primitives import (
    FALSE,
    NO_TAGS,
    NULL,
    Reader,
    array,
    blob,
    i16,
    i32,
    i64,
    old_string,
    string,
    uvarint,
)

T_co = TypeVar("T_co", covariant=True)

EARLIEST, LATEST = -2, -1
_UNCOMMITTED, _COMMITTED = b"\x00", b"\x01"
_CONSUMER_REPLICA = i32(-1)
_NO_EPOCH = i32(-1)


@dataclass(frozen=True, slots=True)
class Request(Generic[T_co]):
    """One question. key, version: the API's; flexible: which header form both directions use."""

    key: int
    version: int
    body: bytes
    read: Callable[[Reader], T_co]
    flexible: bool = True
    answer_tags: bool = True


# -- What the broker speaks, and who we are ------------------------------------------------------------------


def api_versions() -> Request[dict[int, tuple[int, int]]]:
    """Of each API the lowest and highest version. Its answer has the oldest header whatever the version."""
    return Request(18, 3, string("millrace") + string("1") + NO_TAGS, _api_versions, answer_tags=False)


def _api_versions(r: Reader) -> dict[int, tuple[int, int]]:
    check("api versions", r.i16())
    return dict(r.array(_api_range))


def _api_range(r: Reader) -> tuple[int, tuple[int, int]]:
    entry = (r.i16(), (r.i16(), r.i16()))
    r.tags()
    return entry


def sasl_handshake(mechanism: str) -> Request[None]:
    return Request(17, 1, old_string(mechanism), lambda r: check("sasl handshake", r.i16()), flexible=False)


def sasl_authenticate(token: bytes) -> Request[bytes]:
    return Request(36, 2, blob(token) + NO_TAGS, _authenticated)


def _authenticated(r: Reader) -> bytes:
    code, _ = r.i16(), r.maybe_string()
    check("sasl authenticate", code)
    return r.maybe_bytes() or b""


# -- Topics and offsets --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PartitionMeta:
    """leader: broker id, -1 while there is none; epoch: the leader's, sent along with a fetch."""

    index: int
    error: int
    leader: int
    epoch: int


@dataclass(frozen=True, slots=True)
class TopicMeta:
    """topic_id: 16 bytes; a topic of the same name made anew has another."""

    name: str
    topic_id: bytes
    internal: bool
    partitions: tuple[PartitionMeta, ...]


@dataclass(frozen=True, slots=True)
class ClusterMeta:
    """brokers: id -> advertised (host, port). What a broker advertises is the student's to choose: never
    trust it.
    """

    cluster_id: str
    brokers: Mapping[int, tuple[str, int]]
    topics: tuple[TopicMeta, ...]


def metadata() -> Request[ClusterMeta]:
    """Every topic; none is created by asking."""
    return Request(3, 12, NULL + FALSE + FALSE + NO_TAGS, _metadata)


def _metadata(r: Reader) -> ClusterMeta:
    r.i32()  # throttle time
    brokers = dict(r.array(_broker))
    cluster_id = r.string()
    r.i32()  # controller
    topics = [topic for topic in r.array(_topic) if topic]
    return ClusterMeta(cluster_id, brokers, tuple(topics))


def _broker(r: Reader) -> tuple[int, tuple[str, int]]:
    broker = (r.i32(), (r.string(), r.i32()))
    r.maybe_string()  # rack
    r.tags()
    return broker


def _topic(r: Reader) -> TopicMeta | None:
    error, name, topic_id, internal = r.i16(), r.maybe_string(), r.uuid(), r.flag()
    partitions = sorted(r.array(_partition), key=lambda p: p.index)
    r.i32()  # authorised operations
    r.tags()
    return TopicMeta(name, topic_id, internal, tuple(partitions)) if name and not error else None


def _partition(r: Reader) -> PartitionMeta:
    meta = PartitionMeta(error=r.i16(), index=r.i32(), leader=r.i32(), epoch=r.i32())
    for _ in range(3):  # replicas, in sync, offline
        r.array(Reader.i32)
    r.tags()
    return meta


def list_offsets(topics: Mapping[str, Sequence[int]], when: int) -> Request[dict[tuple[str, int], int]]:
    """Log starts (EARLIEST) or log ends (LATEST) of partitions the asked broker leads; none for others."""
    body = (
        _CONSUMER_REPLICA
        + _UNCOMMITTED
        + array([_wanted(name, parts, when) for name, parts in topics.items()])
        + NO_TAGS
    )
    return Request(2, 7, body, _offsets)


def _wanted(name: str, partitions: Sequence[int], when: int) -> bytes:
    return string(name) + array([i32(p) + _NO_EPOCH + i64(when) + NO_TAGS for p in partitions]) + NO_TAGS


def _offsets(r: Reader) -> dict[tuple[str, int], int]:
    r.i32()
    found: dict[tuple[str, int], int] = {}
    for name, partitions in r.array(_offsets_topic):
        found |= {(name, index): offset for index, error, offset in partitions if not error}
    return found


def _offsets_topic(r: Reader) -> tuple[str, list[tuple[int, int, int]]]:
    topic = (r.string(), r.array(_offset))
    r.tags()
    return topic


def _offset(r: Reader) -> tuple[int, int, int]:
    index, error, _, offset, _ = r.i32(), r.i16(), r.i64(), r.i64(), r.i32()
    r.tags()
    return index, error, offset


# -- Records -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Position:
    """From where to read one partition. epoch: the leader's as we know it, so that a move is told at once."""

    partition: int
    offset: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Fetched:
    """One partition's share of an answer.

    leader:  (broker, epoch) when the broker says it has moved, else None.
    stable:  the last stable offset.
    aborted: producer and first offset of transactions in it, for those who read only what is committed.
    """

    partition: int
    error: int
    high_watermark: int
    stable: int
    log_start: int
    aborted: tuple[tuple[int, int], ...]
    leader: tuple[int, int] | None
    data: bytes


def fetch(
    topic_id: bytes,
    positions: Sequence[Position],
    *,
    wait_ms: int,
    partition_bytes: int,
    total_bytes: int,
    committed: bool = False,
) -> Request[list[Fetched]]:
    """A long poll: the answer comes with the first byte of data, or empty after wait_ms.

    By topic id, so that a topic made anew under the same name is an error and not another topic's records.
    """
    body = b"".join(
        (
            _CONSUMER_REPLICA,
            i32(wait_ms),
            i32(1),
            i32(total_bytes),
            _COMMITTED if committed else _UNCOMMITTED,
            i32(0),  # no fetch session
            i32(-1),
            array([topic_id + array([_position(p, partition_bytes) for p in positions]) + NO_TAGS]),
            uvarint(1),  # no forgotten topics
            string(""),  # no rack
            NO_TAGS,
        )
    )
    return Request(1, 13, body, _fetched)


def _position(p: Position, most: int) -> bytes:
    return i32(p.partition) + i32(p.epoch) + i64(p.offset) + _NO_EPOCH + i64(-1) + i32(most) + NO_TAGS


def _fetched(r: Reader) -> list[Fetched]:
    r.i32()
    check("fetch", r.i16())
    r.i32()  # session
    return [part for parts in r.array(_fetched_topic) for part in parts]


def _fetched_topic(r: Reader) -> list[Fetched]:
    r.uuid()
    parts = r.array(_fetched_partition)
    r.tags()
    return parts


def _fetched_partition(r: Reader) -> Fetched:
    index, error, high, stable, start = r.i32(), r.i16(), r.i64(), r.i64(), r.i64()
    aborted = tuple(r.array(_aborted))
    r.i32()  # preferred read replica
    data = r.maybe_bytes() or b""
    tags = r.tags()
    return Fetched(index, error, high, stable, start, aborted, _moved_to(tags.get(1)), data)


def _aborted(r: Reader) -> tuple[int, int]:
    transaction = (r.i64(), r.i64())
    r.tags()
    return transaction


def _moved_to(tag: bytes | None) -> tuple[int, int] | None:
    if tag is None:
        return None
    r = Reader(tag)
    return r.i32(), r.i32()


NEEDED: Mapping[int, int] = {1: 13, 2: 7, 3: 12, 9: 8, 10: 4, 15: 5, 16: 5, 42: 2, 69: 0}


def check(what: str, code: int) -> None:
    """Raise Refused when a broker's answer is an error."""
    if code:
        raise Refused(what, code)


def frame(request: Request[object], correlation: int, client: str) -> bytes:
    """The request as it goes over the wire, its length first."""
    header = i16(request.key) + i16(request.version) + i32(correlation) + old_string(client)
    whole = header + (NO_TAGS if request.flexible else b"") + request.body
    return i32(len(whole)) + whole
