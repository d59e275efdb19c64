"""Decompression that stops at a cap: a preview needs a prefix, and 6 KB of zstd can hold 200 MB of zeros."""

from __future__ import annotations

import io
import zlib

import cramjam
import lz4.frame
import zstandard

from sandboxes.wire.errors import CorruptAnswer

CAP = 4 * 1024 * 1024
_GZIP_WINDOW = 31
_ZSTD_WINDOW = 8 * 1024 * 1024
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


def _gzip(data: bytes, cap: int) -> bytes:
    return zlib.decompressobj(_GZIP_WINDOW).decompress(data, cap)


def _zstd(data: bytes, cap: int) -> bytes:
    with zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW).stream_reader(io.BytesIO(data)) as stream:
        return bytes(stream.read(cap))


def _lz4(data: bytes, cap: int) -> bytes:
    return bytes(lz4.frame.LZ4FrameDecompressor().decompress(data, max_length=cap))


def _snappy(data: bytes, cap: int) -> bytes:
    """Librdkafka writes one raw block; Java writes xerial's sequence of blocks behind a header."""
    if not data.startswith(_XERIAL):
        return _snappy_block(data, cap)
    out = bytearray()
    pos = _XERIAL_HEADER
    while pos + 4 <= len(data) and len(out) < cap:
        size = int.from_bytes(data[pos : pos + 4], "big")
        out += _snappy_block(data[pos + 4 : pos + 4 + size], cap - len(out))
        pos += 4 + size
    return bytes(out)


def _snappy_block(block: bytes, cap: int) -> bytes:
    """A block says its size first; one larger than the cap is not opened at all."""
    size = cramjam.snappy.decompress_raw_len(block)
    return bytes(cramjam.snappy.decompress_raw(block)) if size <= cap else b""


_CODECS = {1: _gzip, 2: _snappy, 3: _lz4, 4: _zstd}
