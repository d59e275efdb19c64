"""What one scan may cost, whatever the bytes are that it reads: no broker would say all of this."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from sandboxes import scanning
from sandboxes.scanning import RECORDS_BYTES, _NoRoom, _Reading
from sandboxes.wire.batches import WireRecord
from sandboxes.wire.requests import Fetched
from tests.sandboxes.wire.raw import log, record, zstd

MIB = 1024 * 1024


def reading(spans: Mapping[int, tuple[int, int]]) -> _Reading:
    return _Reading("orders", spans, RECORDS_BYTES, committed=False)


def fetched(data: bytes = b"", *, end: int, partition: int = 0) -> Fetched:
    return Fetched(partition, 0, end, end, 0, (), None, data)


def test_headers_cost_what_they_take_in_memory() -> None:
    """Two bytes make one; a hundred thousand records of 64 would be half a gigabyte."""
    count = 20_000
    scan = reading({0: (0, count)})

    with pytest.raises(_NoRoom):
        asyncio.run(scan.take(fetched(log([record(64)] * count), end=count)))

    assert len(scan.found) * 64 * 100 < RECORDS_BYTES


def test_what_is_not_kept_of_a_record_costs_room_too() -> None:
    scan = reading({0: (0, 2)})
    large = log([record(65, bytes(RECORDS_BYTES // 2))], pack=zstd)
    asyncio.run(scan.take(fetched(large, end=2)))

    assert len(scan.found) == 1
    assert scan.room < RECORDS_BYTES // 2
    with pytest.raises(_NoRoom):
        asyncio.run(
            scan.take(fetched(log([record(65, bytes(RECORDS_BYTES // 2))], base=1, pack=zstd), end=2))
        )


def test_time_runs_out_within_an_answer_of_many_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    opened = 0

    def slowly(*_: object, **__: Any) -> Iterator[WireRecord]:
        nonlocal opened
        opened += 1
        time.sleep(0.1)
        return iter(())

    monkeypatch.setattr(scanning, "all_records", slowly)
    scan = reading({0: (0, 50)})
    answer = fetched(b"".join(log([record()], base=n) for n in range(50)), end=50)

    async def limited() -> None:
        async with asyncio.timeout(0.2):
            await scan.take(answer)

    with pytest.raises(TimeoutError):
        asyncio.run(limited())
    assert opened < 10
