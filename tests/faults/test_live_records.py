"""Records that nobody should write: each is counted, shown as a safe, small preview, and stops nothing (F16).

A real broker took every one of them; what no broker takes (other magics, damaged bytes) is in tests/live.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import Producer

from live.feed import Feed, connect
from live.stream import RING_BYTES
from sandboxes.wire import connection
from tests.faults.table import Case
from tests.live.browser import Browser, Frame
from tests.live.real import Kafka, Watching, ends, in_thread, kafka_in, watching_from
from tests.live.valkey import Valkey, running_valkey
from tests.sandboxes.backends.local_host import running_host

pytestmark = [pytest.mark.kafka, pytest.mark.slow, pytest.mark.xdist_group("bad-records")]

GOOD = b"a record like any other"
FRAME_BYTES = 64 * 1024
PREVIEW_BYTES = 2048
SNAP_BYTES = 1024 * 1024
MB = 1024 * 1024
YEAR_9999_MS = 253_402_300_799_000
# The topic takes what its owner lets it take; a student is that owner.
PERMISSIVE = {
    "max.message.bytes": str(20 * MB),
    "message.timestamp.after.max.ms": str(2**62),
    "message.timestamp.before.max.ms": str(2**62),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bad:
    """One kind of record and the settings of the producer that writes it."""

    name: str
    value: bytes | None
    key: bytes | None = b"key"
    headers: Sequence[tuple[str, bytes]] = ()
    ts: int = 0
    count: int = 3
    config: dict[str, Any] = field(default_factory=dict)


KINDS = [
    Bad(name="invalid UTF-8", value=b"\xff\xfe\xc3\x28" * 300, key=b"\xed\xa0\x80"),
    Bad(name="a value of 1 MB", value=b"\x1b" * MB),
    Bad(name="a value of 10 MB", value=os.urandom(10 * MB), count=2),
    Bad(name="null key and null value", value=None, key=None),
    Bad(name="10,000 headers", value=b"v", headers=[(f"<b>{n}</b>", bytes(n)) for n in range(100)] * 100),
    Bad(
        name="a bomb, 19 MB in 19 KB",
        value=b"\x00" * (19 * MB),
        count=40,
        config={"compression.type": "gzip"},
    ),
    Bad(name="the same by zstd", value=b"\x00" * (19 * MB), count=40, config={"compression.type": "zstd"}),
    Bad(name="ends of transactions", value=b"v", config={"transactional.id": "t"}),
    Bad(
        name="a schema id that nobody knows", value=b"\x00\xff\xff\xff\xff\x02a", key=b"\x00\x00\x00\x00\x01"
    ),
    Bad(name="JSON of 10,000 levels", value=b"[" * 10_000 + b"]" * 10_000),
    Bad(name="numbers beyond 2^53", value=b'{"n":9007199254740993,"m":1e400}'),
    Bad(
        name="bidi and zero-width text",
        value="\u202egnp.exe\u2066\u200b\ufeff".encode() * 500,
        key="\u202e\u2067\u200d".encode(),
        headers=[("\u202ename\u2028", "\u2029\u061c".encode())],
    ),
    Bad(name="written in the year 9999", value=b"v", ts=YEAR_9999_MS),
    Bad(name="written at the end of time", value=b"v", ts=2**61),
]


class Reader(Browser):
    """Keeps the previews too."""

    def __init__(self) -> None:
        super().__init__()
        self.previews: dict[tuple[str, int], dict[str, Any]] = {}

    def take(self, frame: Frame) -> None:
        super().take(frame)
        records = frame.get("records", [])
        by_topic = records if isinstance(records, dict) else {frame.get("topic", ""): records}
        for topic, some in by_topic.items():
            self.previews |= {(topic, one["o"]): one for one in some}


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    with running_host() as host:
        yield kafka_in(host)


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def watching(valkey: Valkey, kafka: Kafka) -> AsyncIterator[Watching]:
    async with watching_from(valkey, kafka) as watching:
        watching.browser = Reader()
        yield watching


def write(kafka: Kafka, topic: str, bad: Bad) -> int:
    """The bad records, then a good one; how many records that were."""
    sizes = {"message.max.bytes": 25 * MB, "queue.buffering.max.kbytes": 200 * 1024}
    producer = kafka.producer(**sizes, **bad.config)
    transactional = "transactional.id" in bad.config
    if transactional:
        producer.init_transactions(30)
    for number in range(bad.count):
        if transactional:
            producer.begin_transaction()
        _send(producer, topic, bad)
        if transactional:
            producer.abort_transaction() if number % 2 else producer.commit_transaction()
    good = producer if not transactional else kafka.producer()
    good.produce(topic, GOOD)
    assert good.flush(60) == 0
    return bad.count + 1


def _send(producer: Producer, topic: str, bad: Bad) -> None:
    failed: list[object] = []
    producer.produce(
        topic,
        bad.value,
        key=bad.key,
        headers=[*bad.headers],
        timestamp=bad.ts,
        on_delivery=lambda error, _: failed.append(error) if error else None,
    )
    assert producer.flush(60) == 0
    assert not failed, failed


def is_good(preview: dict[str, Any]) -> bool:
    return bool(preview["v"] == GOOD.decode())


@pytest.mark.parametrize(
    "bad", [pytest.param(b, marks=pytest.mark.fault("F16", b.name, holds="I9 I10"), id=b.name) for b in KINDS]
)
async def test_a_bad_record_is_counted_and_shown_small_and_stops_nothing(
    kafka: Kafka, watching: Watching, valkey: Valkey, bad: Bad, case: Case
) -> None:
    topic = await in_thread(kafka.topic, 1, **PERMISSIVE)
    await watching.open(topic).until(lambda b: topic in b.state["topics"], within_s=60)

    count = await in_thread(write, kafka, topic, bad)
    case.cleared()
    browser = await watching.until(has_shown_a_good_one(topic), within_s=60)
    await watching.until(lambda b: b.seen[topic] == count, within_s=60)
    case.converged()

    check_counted(browser, topic, ends(browser, topic)[0])
    case.holds("I9")
    check_bounded(browser, topic, bad)
    await check_kept(valkey, watching.hex_id)
    newcomer = await in_a_new_tab(watching, topic)
    check_bounded(newcomer, topic, bad)
    case.holds("I10")


def has_shown_a_good_one(topic: str) -> Callable[[Browser], bool]:
    def holds(browser: Browser) -> bool:
        assert isinstance(browser, Reader)
        return any(is_good(one) for (name, _), one in browser.previews.items() if name == topic)

    return holds


def check_counted(browser: Browser, topic: str, end: int) -> None:
    """Offsets follow on without a hole, and none is shown that is not counted."""
    assert not browser.holes
    assert browser.accounts[topic, 0] == end
    assert browser.shown[topic] <= browser.seen[topic]


def check_bounded(browser: Browser, topic: str, bad: Bad) -> None:
    assert isinstance(browser, Reader)
    assert browser.largest <= FRAME_BYTES
    mine = [one for (name, _), one in browser.previews.items() if name == topic and not is_good(one)]
    assert mine, "a bad record is shown"
    for one in mine:
        assert len((one["v"] or "").encode()) <= PREVIEW_BYTES
        assert len((one["k"] or "").encode()) <= PREVIEW_BYTES
        assert len(json.dumps(one["h"], ensure_ascii=False).encode()) <= 2 * PREVIEW_BYTES
        assert one["size"] == len(bad.value or b"")
        assert one["cut"] is (len(bad.value or b"") > len(whole_of(one)) or len(bad.headers) > len(one["h"]))
        assert bad.ts in {0, one["ts"]}


def whole_of(preview: dict[str, Any]) -> bytes:
    """The bytes that a preview shows of its value."""
    text = preview["v"] or ""
    return bytes.fromhex(text) if preview["vb"] else text.encode()


async def check_kept(valkey: Valkey, hex_id: str) -> None:
    """What Redis holds for viewers to come."""
    redis = connect(valkey.url)
    past = await Feed(redis).past(hex_id)
    await redis.aclose()
    assert past
    assert len(past.snap) <= SNAP_BYTES
    assert sum(envelope.size() for envelope in past.ring) <= RING_BYTES + 2 * FRAME_BYTES


async def in_a_new_tab(watching: Watching, topic: str) -> Browser:
    """What somebody sees who comes now."""
    await watching.cut()
    watching.browser = Reader()
    return await watching.open(topic).until(has_shown_a_good_one(topic), within_s=60)


@pytest.mark.fault("F16", "a batch larger than we take in", holds="I9 I10")
async def test_what_is_too_large_to_be_read_at_all_is_counted_and_said(
    kafka: Kafka, watching: Watching, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "MOST_ANSWER_BYTES", 2 * MB)
    topic = await in_thread(kafka.topic, 2, **PERMISSIVE)
    await watching.open(topic).until(lambda b: topic in b.state["topics"], within_s=60)

    await in_thread(write, kafka, topic, Bad(name="", value=os.urandom(3 * MB), count=1))
    case.cleared()
    await watching.until(lambda _: watching.told("gap"), within_s=60)
    producer = kafka.producer()
    for partition in range(2):
        producer.produce(topic, GOOD, partition=partition)
    assert await in_thread(producer.flush, 60) == 0
    browser = await watching.until(
        lambda b: all(b.accounts.get((topic, p)) == end for p, end in enumerate(ends(b, topic))), within_s=60
    )
    case.converged()

    assert not browser.holes
    assert {event["why"] for event in watching.told("gap")} == {"large"}
    assert has_shown_a_good_one(topic)(browser)
    case.holds("I9", "I10")
