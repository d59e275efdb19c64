"""Decompression that stops at a cap: a preview needs a prefix, and 6 KB of zstd can hold 200 MB of zeros."""

from __future__ import annotations

import io
import zlib
from collections.abc import Iterator

import cramjam
import lz4.frame
import zstandard

from sandboxes.wire.errors import CorruptAnswer, TooLarge

CAP = 4 * 1024 * 1024
_GZIP_WINDOW = 31
_SNAPPY = 2
# What zstd's highest level names, however little follows; memory is taken as it is filled, to the cap.
_ZSTD_WINDOW = 128 * 1024 * 1024
_XERIAL = b"\x82SNAPPY\x00"
_XERIAL_HEADER = 16


def inflate(codec: int, data: bytes, cap: int = CAP) -> bytes:
    """The first `cap` bytes at most. codec: the low three bits of the attributes. Raises CorruptAnswer."""
    if codec == 0:
        return data
    try:
        return _CODECS[codec](data, cap)
    except KeyError:
        raise CorruptAnswer(f"compression codec {codec} is not known") from None
    except (
        zlib.error,
        zstandard.ZstdError,
        RuntimeError,
        ValueError,
        EOFError,
        OSError,
        cramjam.DecompressionError,
    ) as error:
        raise CorruptAnswer(f"compressed records cannot be read: {error}") from error


def inflate_whole(codec: int, data: bytes, most: int) -> bytes:
    """All of it. Raises TooLarge when that is more than `most` bytes, CorruptAnswer."""
    if codec == _SNAPPY and _snappy_size(data) > most:  # of which `inflate` leaves blocks out
        raise TooLarge(f"a batch says that it opens into more than {most} bytes")
    found = inflate(codec, data, most + 1)
    if len(found) > most:
        raise TooLarge(f"a batch opens into more than {most} bytes")
    return found


def _gzip(data: bytes, cap: int) -> bytes:
    return zlib.decompressobj(_GZIP_WINDOW).decompress(data, cap)


def _zstd(data: bytes, cap: int) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(io.BytesIO(data)) as stream:
        return bytes(stream.read(cap))


def _lz4(data: bytes, cap: int) -> bytes:
    return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=cap))


def _snappy(data: bytes, cap: int) -> bytes:
    found: list[bytes] = []
    left = cap
    for block in _snappy_blocks(data):
        if left <= 0:
            break
        found.append(_snappy_block(block, left))
        left -= len(found[-1])
    return b"".join(found)


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    """Librdkafka writes one raw block; Java writes xerial's sequence of blocks behind a header."""
    if not data.startswith(_XERIAL):
        yield data
        return
    pos = _XERIAL_HEADER
    while pos + 4 <= len(data):
        size = int.from_bytes(data[pos : pos + 4], "big")
        yield data[pos + 4 : pos + 4 + size]
        pos += 4 + size


def _snappy_size(data: bytes) -> int:
    """As its blocks say it. Raises CorruptAnswer."""
    try:
        return sum(map(cramjam.snappy.decompress_raw_len, _snappy_blocks(data)))
    except cramjam.DecompressionError as error:
        raise CorruptAnswer(f"compressed records cannot be read: {error}") from error


def _snappy_block(block: bytes, cap: int) -> bytes:
    """A block says its size first; one larger than the cap is not opened at all."""
    size = cramjam.snappy.decompress_raw_len(block)
    return bytes(cramjam.snappy.decompress_raw(block)) if size <= cap else b""


_CODECS = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
