"""kafka-python, the second opinion on bytes; its import uses what Python 3.11 has deprecated."""

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.record import MemoryRecords, MemoryRecordsBuilder

Row = tuple[int, int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]


def rows(data: bytes) -> list[Row]:
    """Offset, time, key, value and headers of every record, control markers left out."""
    found: list[Row] = []
    left: Any = MemoryRecords(data)
    while left.has_next():
        batch = left.next_batch()
        if not batch.is_control_batch:
            found += [(r.offset, r.timestamp, r.key, r.value, [tuple(h) for h in r.headers]) for r in batch]
    return found


def builder(compression: int) -> Any:
    return MemoryRecordsBuilder(magic=2, compression_type=compression, batch_size=1 << 20)
