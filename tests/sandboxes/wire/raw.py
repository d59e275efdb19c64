"""Record batches made by hand, for what no client library writes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence

import zstandard

from sandboxes.wire.batches import HEADER_BYTES
from sandboxes.wire.primitives import uvarint

_HEADER = struct.Struct(">qiibIhiqqqhii")
_LENGTH_FROM = 12
_ZSTD = 4


def record(headers: int = 0, last: bytes | None = None, *, delta: int = 0) -> bytes:
    """No key, no value; headers without name and value, the last with this one."""
    body = b"\x00\x00" + varint(delta) + b"\x01\x01" + varint(headers)
    body += b"\x00\x01" * (headers - 1 if last is not None else headers)
    if last is not None:
        body += b"\x00" + varint(len(last)) + last
    return varint(len(body)) + body


def log(records: Sequence[bytes], *, base: int = 0, pack: Callable[[bytes], bytes] | None = None) -> bytes:
    """One batch with all of these; pack: zstd or none."""
    body = b"".join(records)
    body = pack(body) if pack else body
    return (
        _HEADER.pack(
            base, len(body) + HEADER_BYTES - _LENGTH_FROM, 0, 2, 0, _ZSTD if pack else 0,
            len(records) - 1, 0, 0, -1, -1, -1, len(records),
        )
        + body
    )  # fmt: skip


def zstd(data: bytes, level: int = 3) -> bytes:
    """As clients write it: in a stream, which names the window of its level and not its own size."""
    packing = zstandard.ZstdCompressor(level=level).compressobj()
    return packing.compress(data) + packing.flush()


def varint(value: int) -> bytes:
    """Zigzag, as numbers in a record are."""
    return uvarint((value << 1) ^ (value >> 63))
